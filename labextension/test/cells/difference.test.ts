import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { compare, type Row } from '../../src/cells/difference';

const text = (row: Row): string =>
  row.kind === 'gap'
    ? `@${row.count}`
    : { same: ' ', added: '+', removed: '-' }[row.kind] +
      row.pieces.map(piece => (piece.changed ? `[${piece.text}]` : piece.text)).join('');

const shown = (old: string, now: string, context = 3): string[] =>
  compare(old, now, context).rows.map(text);

describe('the difference of two sources', () => {
  it('shows what changed within a line', () => {
    assert.deepEqual(shown('x = df.mean()', 'x = df.median()'), [
      '-x = df.[mean]()',
      '+x = df.[median]()'
    ]);
  });

  it('pairs lines that were replaced by equally many, removed before added', () => {
    assert.deepEqual(shown('a = 1\nb = 2\nc', 'a = 3\nb = 4\nc'), [
      '-a = [1]',
      '-b = [2]',
      '+a = [3]',
      '+b = [4]',
      ' c'
    ]);
  });

  it('marks nothing within lines that have nothing in common', () => {
    assert.deepEqual(shown('import os', 'x'), ['-import os', '+x']);
  });

  it('takes a missing line end for no change', () => {
    assert.deepEqual(shown('a\nb', 'a\nb\nc'), [' a', ' b', '+c']);
    assert.equal(compare('a', 'a').rows.length, 1);
  });

  it('folds equal lines far from a change', () => {
    const old = Array.from({ length: 20 }, (_, at) => `line ${at}`);
    const now = old.map((line, at) => (at === 10 ? 'new' : line));
    assert.deepEqual(shown(old.join('\n'), now.join('\n'), 1), [
      '@9',
      ' line 9',
      '-line 10',
      '+new',
      ' line 11',
      '@8'
    ]);
  });

  it('counts lines', () => {
    const { added, removed } = compare('a\nb\nc', 'a\nc\nd\ne');
    assert.deepEqual([added, removed], [2, 1]);
  });

  it('holds both versions, whatever they are', () => {
    const lines = ['', 'a', 'b', '  a', 'a b', 'é', 'a\tb'];
    let seed = 7;
    const next = (below: number): number => (seed = (seed * 16807) % 2147483647) % below;
    const source = (): string =>
      Array.from({ length: 1 + next(8) }, () => lines[next(lines.length)]).join('\n');
    for (let round = 0; round < 500; round++) {
      const [old, now] = [source(), source()];
      if (old === now) {
        continue; // equal lines far from any change are folded
      }
      const rows = compare(old, now, 100).rows.filter(row => row.kind !== 'gap');
      const side = (kind: 'added' | 'removed'): string =>
        rows
          .filter(row => row.kind === 'same' || row.kind === kind)
          .map(row => row.pieces.map(piece => piece.text).join(''))
          .join('\n');
      assert.equal(side('removed'), old);
      assert.equal(side('added'), now);
    }
  });
});
