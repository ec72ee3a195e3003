import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type * as nbformat from '@jupyterlab/nbformat';

import { hasLongTraceback } from '../../src/cells/traceback';

const error = (traceback: string[]): nbformat.IOutput => ({
  output_type: 'error',
  ename: 'ValueError',
  evalue: 'no',
  traceback
});
const lines = (count: number): string[] => Array.from({ length: count }, (_, at) => `line ${at}`);

describe('a traceback in the notebook', () => {
  it('is long when it has more lines than a scrolled output shows, however they are split', () => {
    assert.equal(hasLongTraceback([error(lines(40))]), true);
    assert.equal(hasLongTraceback([error([lines(20).join('\n'), 'ValueError: no'])]), true);
  });

  it('is left alone when it is short', () => {
    assert.equal(hasLongTraceback([error(lines(8))]), false);
    assert.equal(hasLongTraceback([error([])]), false);
  });

  it('is not what a cell printed', () => {
    const text = lines(99).join('\n');
    assert.equal(hasLongTraceback([{ output_type: 'stream', name: 'stdout', text }]), false);
  });
});
