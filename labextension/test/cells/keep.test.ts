import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { chosenRun, type IAttempt, neighbour, supersededFailures } from '../../src/cells/keep';

interface IFacts {
  run?: string;
  role?: 'action' | 'answer';
  failed?: boolean;
  edited?: boolean;
}

function cell(id: string, facts: IFacts = {}): IAttempt {
  const { run, role = 'action', failed = false, edited = false } = facts;
  const mark = run === undefined ? null : { run, step: 1, role };
  return { id, mark, failed, edited };
}

describe('failed attempts', () => {
  it('are those that a later action of the same run follows', () => {
    const cells = [
      cell('u', { failed: true }),
      cell('a', { run: 'r', failed: true }),
      cell('b', { run: 'r', failed: true }),
      cell('c', { run: 'r' })
    ];
    assert.deepEqual(supersededFailures(cells, 'r'), ['a', 'b']);
  });

  it('are not the last action, even below it stands an answer', () => {
    const cells = [
      cell('a', { run: 'r', failed: true }),
      cell('b', { run: 'r', failed: true }),
      cell('c', { run: 'r', role: 'answer' })
    ];
    assert.deepEqual(supersededFailures(cells, 'r'), ['a']);
  });

  it('are not cells that the user edited, nor those of other runs', () => {
    const cells = [
      cell('a', { run: 'r', failed: true, edited: true }),
      cell('b', { run: 'q', failed: true }),
      cell('c', { run: 'r' }),
      cell('d', { run: 'p' })
    ];
    assert.deepEqual(supersededFailures(cells, 'r'), []);
    assert.deepEqual(supersededFailures(cells, 'q'), []);
  });
});

describe('the run that is meant', () => {
  const cells = [
    cell('a', { run: 'r' }),
    cell('u'),
    cell('b', { run: 'q', role: 'answer' }),
    cell('v')
  ];

  it('is that of the active cell, else the last', () => {
    assert.equal(chosenRun(cells, 0), 'r');
    assert.equal(chosenRun(cells, 1), 'q');
    assert.equal(chosenRun(cells, -1), 'q');
    assert.equal(chosenRun([cell('u')], 0), null);
  });
});

describe('the agent’s next cell', () => {
  it('is found in both directions, skipping the user’s', () => {
    const cells = [cell('a', { run: 'r' }), cell('u'), cell('b', { run: 'r' }), cell('v')];
    assert.equal(neighbour(cells, 0, 1), 2);
    assert.equal(neighbour(cells, 3, -1), 2);
    assert.equal(neighbour(cells, 2, 1), -1);
    assert.equal(neighbour([], -1, 1), -1);
  });
});
