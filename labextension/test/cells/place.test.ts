import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { endedUnseen, insertionIndex, type IPlaced, planRepair } from '../../src/cells/place';
import type { CellRecord } from '../../src/protocol';

const cells = (...ids: string[]): IPlaced[] => ids.map(id => ({ id, mark: null }));

const record = (cell_id: string, after: string | null): CellRecord => ({
  cell_id,
  step: 1,
  code: cell_id,
  outputs: [],
  execution_count: 1,
  status: 'ok',
  after
});

/** Carry out a plan on a list of ids. */
function mend(
  present: string[],
  records: CellRecord[],
  deleted: string[] = [],
  active = -1
): string[] {
  const ids = [...present];
  for (const { index, record } of planRepair(present, records, new Set(deleted), active)) {
    ids.splice(index, 0, record.cell_id);
  }
  return ids;
}

describe('where a new cell goes', () => {
  const own = new Set(['a1', 'a2']);

  it('below the cell that it is to follow', () => {
    const place = { after: 'u1', own: new Set<string>(), active: 1 };
    assert.equal(insertionIndex(cells('u1', 'u2'), place), 1);
  });

  it('below the run’s cells that already follow it, so that steps keep their order', () => {
    const list = cells('u1', 'a1', 'a2', 'u2');
    assert.equal(insertionIndex(list, { after: 'u1', own, active: 0 }), 3);
  });

  it('not below another run’s cells that follow', () => {
    const list = cells('u1', 'b1', 'u2');
    assert.equal(insertionIndex(list, { after: 'u1', own, active: 0 }), 1);
  });

  it('below the run’s last cell when the one to follow is not there', () => {
    const list = cells('u1', 'a1', 'u2', 'a2', 'u3');
    assert.equal(insertionIndex(list, { after: 'gone', own, active: 0 }), 4);
    assert.equal(insertionIndex(list, { after: null, own, active: 0 }), 4);
  });

  it('below the active cell when the run has no cell yet, and at the end without one', () => {
    const list = cells('u1', 'u2', 'u3');
    assert.equal(insertionIndex(list, { after: null, own, active: 1 }), 2);
    assert.equal(insertionIndex(list, { after: null, own, active: -1 }), 3);
    assert.equal(insertionIndex([], { after: null, own, active: -1 }), 0);
  });
});

describe('what a reload lost', () => {
  const run = [record('a1', 'u1'), record('a2', 'a1'), record('a3', 'a2')];

  it('goes back in order below what it followed', () => {
    assert.deepEqual(mend(['u1', 'u2'], run), ['u1', 'a1', 'a2', 'a3', 'u2']);
  });

  it('goes between the run’s cells that are still there', () => {
    assert.deepEqual(mend(['u1', 'a1', 'a3', 'u2'], run), ['u1', 'a1', 'a2', 'a3', 'u2']);
    assert.deepEqual(mend(['u1', 'a3', 'u2'], run), ['u1', 'a1', 'a2', 'a3', 'u2']);
  });

  it('leaves what is there where it is, even out of order', () => {
    assert.deepEqual(mend(['a3', 'u1', 'a2'], run), ['a3', 'u1', 'a1', 'a2']);
    assert.deepEqual(mend(['a1', 'a2', 'a3'], run), ['a1', 'a2', 'a3']);
  });

  it('stays away where the user deleted it, and what followed it finds its place', () => {
    assert.deepEqual(mend(['u1', 'u2'], run, ['a1', 'a2']), ['u1', 'a3', 'u2']);
  });

  it('goes before a later cell of the run when all above it is gone', () => {
    assert.deepEqual(mend(['u2', 'a2'], [record('a1', 'u1'), record('a2', 'a1')]), [
      'u2',
      'a1',
      'a2'
    ]);
  });

  it('goes below the active cell, or to the end, when nothing of it is left', () => {
    assert.deepEqual(mend(['x', 'y'], [record('a1', 'u1'), record('a2', 'a1')], [], 0), [
      'x',
      'a1',
      'a2',
      'y'
    ]);
    assert.deepEqual(mend(['x'], [record('a1', null), record('a2', null)]), ['x', 'a1', 'a2']);
  });

  it('is each cell once, after any loss, with the others in their order', () => {
    const all = ['u1', 'a1', 'a2', 'a3', 'u2'];
    for (let mask = 0; mask < 32; mask++) {
      const left = all.filter((_, at) => (mask >> at) & 1);
      const mended = mend(left, run);
      assert.equal(new Set(mended).size, mended.length);
      assert.deepEqual(
        mended.filter(id => id.startsWith('a')),
        ['a1', 'a2', 'a3']
      );
      assert.deepEqual(
        mended.filter(id => left.includes(id)),
        left
      );
    }
  });
});

describe('a run that ended', () => {
  it('may have lost cells only if it ended after the notebook was read and no page saw it', () => {
    assert.equal(endedUnseen(20, 10_000, false), true);
    assert.equal(endedUnseen(20, 10_000, true), false);
    assert.equal(endedUnseen(5, 10_000, false), false);
    assert.equal(endedUnseen(null, 10_000, false), false);
    assert.equal(endedUnseen(20, null, false), false);
  });
});
