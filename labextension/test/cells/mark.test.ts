import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import {
  chipText,
  chipTitle,
  digest,
  type ICellFate,
  type ICellMark,
  isEdited,
  readMark
} from '../../src/cells/mark';

const ran: ICellFate = { failed: false, ran: true, stopped: false, edited: false, open: false };
const action: ICellMark = { run: 'r', step: 2, role: 'action' };

describe('codeact metadata', () => {
  it('is read when it marks a cell of the agent, whatever else it holds', () => {
    assert.deepEqual(readMark({ run: 'r', step: 2, role: 'action', more: 1 }), action);
    assert.deepEqual(readMark({ run: 'r', role: 'answer', episode: 'e', digest: 'd' }), {
      run: 'r',
      step: null,
      role: 'answer',
      episode: 'e',
      digest: 'd'
    });
  });

  it('of a saved episode or of others marks no cell', () => {
    for (const value of [undefined, null, 1, 'x', {}, { run: 'r' }, { run: 1, role: 'action' }]) {
      assert.equal(readMark(value), null);
    }
  });
});

describe('edits', () => {
  it('show, and no longer once they are taken back', () => {
    const mark = { ...action, digest: digest('a = 1') };
    assert.equal(isEdited(mark, 'a = 1'), false);
    assert.equal(isEdited(mark, 'a = 2'), true);
  });

  it('are not known without a digest', () => {
    assert.equal(isEdited(action, 'anything'), false);
  });

  it('have digests as FNV-1a says', () => {
    assert.equal(digest(''), '811c9dc5');
    assert.equal(digest('a'), 'e40c292c');
    assert.equal(digest('foobar'), 'bf9cf968');
  });
});

describe('the chip', () => {
  it('names the step, and what to know first', () => {
    assert.equal(chipText(action, ran), 'CodeAct · step 2');
    assert.equal(chipText(action, { ...ran, failed: true }), 'CodeAct · step 2 · failed');
    assert.equal(
      chipText(action, { ...ran, failed: true, edited: true }),
      'CodeAct · step 2 · edited'
    );
    assert.equal(chipText(action, { ...ran, ran: false }), 'CodeAct · step 2 · not run');
    assert.equal(chipText(action, { ...ran, ran: false, open: true }), 'CodeAct · step 2');
    const stopped = { ...ran, failed: true, stopped: true };
    assert.equal(chipText(action, stopped), 'CodeAct · step 2 · stopped');
    assert.equal(chipText({ ...action, role: 'answer' }, stopped), 'CodeAct · answer');
    assert.equal(chipText({ ...action, step: null }, ran), 'CodeAct');
    assert.equal(chipText({ ...action, role: 'answer' }, ran), 'CodeAct · answer');
  });

  it('says in sentences what it means', () => {
    assert.equal(
      chipTitle({ ...action, episode: 'episodes/e.ipynb' }, { ...ran, failed: true }),
      'The CodeAct agent wrote this cell as step 2 of its task. It failed; the agent saw the error. ' +
        'Its record is in episodes/e.ipynb.'
    );
    assert.equal(
      chipTitle(action, { ...ran, ran: false, stopped: true, edited: true }),
      'The CodeAct agent wrote this cell as step 2 of its task. It was stopped before its end. ' +
        'You have edited it since; the episode keeps what the agent wrote.'
    );
  });
});
