import assert from 'node:assert/strict';
import test from 'node:test';

import { activeRun, allRuns, closeLost, emptySnapshot, LOST_CAUSE, reduce } from '../src/model';
import type { ExecuteEvent, HelloEvent, KernelEvent, Question } from '../src/protocol';
import { run, step } from './samples';

let seq = 0;
type Fields<T> = T extends unknown ? Omit<T, 'v' | 'seq'> : never;

function event(fields: Fields<Exclude<KernelEvent, HelloEvent>>): KernelEvent {
  seq += 1;
  return { v: 1, seq, ...fields };
}

function after(...events: KernelEvent[]): ReturnType<typeof emptySnapshot> {
  return events.reduce((snapshot, one) => reduce(snapshot, one), emptySnapshot());
}

const EXECUTE: Fields<ExecuteEvent> = {
  type: 'execute',
  run: 'r1',
  step: 1,
  cell_id: 'c1',
  code: 'x = 1',
  sha256: 'abc',
  after: null,
  metadata: { codeact: {} }
};

const QUESTION: Question = {
  step: 1,
  sha256: 'abc',
  code: 'x = 1',
  reason: 'It deletes files.',
  risks: [],
  allowable: [],
  choices: [],
  unsaved: [],
  text: ''
};

test('a run begins, its steps are put in by index, and it ends', () => {
  const snapshot = after(
    event({ type: 'begin', run: run('r1') }),
    event({ type: 'step', run: 'r1', step: step(2) }),
    event({ type: 'step', run: 'r1', step: step(1, { status: 'ok' }) }),
    event({ type: 'step', run: 'r1', step: step(2, { status: 'error' }) })
  );
  assert.deepEqual(
    snapshot.runs[0].steps.map(({ index, status }) => [index, status]),
    [
      [1, 'ok'],
      [2, 'error']
    ]
  );
  assert.equal(activeRun(snapshot)?.run, 'r1');
  const ended = reduce(
    snapshot,
    event({ type: 'done', run: run('r1', { status: 'done', answer: 'north' }) })
  );
  assert.equal(activeRun(ended), null);
  assert.equal(ended.runs[0].answer, 'north');
});

test('tokens are put at their offset, which counts code points', () => {
  const begun = after(
    event({
      type: 'begin',
      run: run('r1', { steps: [step(1, { status: 'writing', text: 'Ä😀' })] })
    })
  );
  const more = reduce(begun, event({ type: 'token', run: 'r1', step: 1, text: ' und', offset: 2 }));
  assert.equal(more.runs[0].steps[0].text, 'Ä😀 und');
  const again = reduce(
    more,
    event({ type: 'token', run: 'r1', step: 1, text: ' oder', offset: 2 })
  );
  assert.equal(again.runs[0].steps[0].text, 'Ä😀 oder');
});

test('a token after text that is missing waits for the next step', () => {
  const begun = after(
    event({ type: 'begin', run: run('r1', { steps: [step(1, { text: 'ab' })] }) })
  );
  const gap = reduce(begun, event({ type: 'token', run: 'r1', step: 1, text: 'z', offset: 9 }));
  assert.equal(gap.runs[0].steps[0].text, 'ab');
});

test('tokens of any split add up to the text', () => {
  const text = 'Zählt 😀 die Zeilen, dann\n```python\ndf.shape\n```\n';
  const points = Array.from(text);
  for (let size = 1; size <= points.length; size++) {
    let snapshot = after(event({ type: 'begin', run: run('r1', { steps: [step(1)] }) }));
    for (let offset = 0; offset < points.length; offset += size) {
      const piece = points.slice(offset, offset + size).join('');
      snapshot = reduce(
        snapshot,
        event({ type: 'token', run: 'r1', step: 1, text: piece, offset })
      );
    }
    assert.equal(snapshot.runs[0].steps[0].text, text);
  }
});

test('what is about a run that nobody knows changes nothing', () => {
  const snapshot = emptySnapshot();
  assert.equal(reduce(snapshot, event({ type: 'step', run: 'r9', step: step(1) })), snapshot);
  assert.equal(
    reduce(snapshot, event({ type: 'token', run: 'r9', step: 1, text: 'x', offset: 0 })),
    snapshot
  );
});

test('an event of a newer kernel is ignored', () => {
  const snapshot = emptySnapshot();
  const unknown = { v: 1, seq: 1, type: 'weather', sky: 'blue' } as unknown as KernelEvent;
  assert.equal(reduce(snapshot, unknown), snapshot);
});

test('a question comes and goes, and does not outlive its run', () => {
  const asked = after(
    event({ type: 'begin', run: run('r1') }),
    event({ type: 'question', run: 'r1', question: QUESTION })
  );
  assert.equal(asked.question?.sha256, 'abc');
  assert.equal(
    reduce(asked, event({ type: 'question', run: 'r1', question: null })).question,
    null
  );
  const done = event({ type: 'done', run: run('r1', { status: 'interrupted' }) });
  assert.equal(reduce(asked, done).question, null);
});

test('a pending cell is kept until it has begun or is cancelled', () => {
  const pending = after(event({ type: 'begin', run: run('r1') }), event(EXECUTE));
  assert.equal(pending.execute?.cell_id, 'c1');
  const queued = event({ type: 'step', run: 'r1', step: step(1, { status: 'queued' }) });
  assert.equal(reduce(pending, queued).execute?.cell_id, 'c1');
  const running = event({ type: 'step', run: 'r1', step: step(1, { status: 'running' }) });
  assert.equal(reduce(pending, running).execute, null);
  assert.equal(reduce(pending, event({ type: 'cancel', cell_id: 'c1' })).execute, null);
  assert.equal(reduce(pending, event({ type: 'cancel', cell_id: 'c2' })).execute?.cell_id, 'c1');
});

test('a hello of the same kernel replaces what it knows and keeps what only the page knows', () => {
  const before = after(
    event({ type: 'begin', run: run('r1') }),
    event({ type: 'notice', run: 'r1', sentence: 'The endpoint is slow.' })
  );
  const hello: HelloEvent = {
    v: 1,
    type: 'hello',
    boot: 'b1',
    seq: 9,
    snapshot: {
      state: 'executing',
      runs: [run('r1', { steps: [step(1, { status: 'running' })] })],
      question: null,
      execute: null,
      settings: { model: 'm', approval: 'ask', max_steps: 8 },
      owner: null
    }
  };
  const now = reduce(before, hello, true);
  assert.equal(now.state, 'executing');
  assert.equal(now.runs[0].steps.length, 1);
  assert.equal(now.notices.r1, 'The endpoint is slow.');
  assert.deepEqual(now.past, []);
});

test('the end of a kernel closes its run as lost and keeps what was seen', () => {
  const ended = run('r1', { status: 'done', answer: 'north' });
  const open = run('r2', {
    episode: 'episodes/e.ipynb',
    steps: [step(1, { status: 'ok', undoable: true }), step(2, { status: 'running' })]
  });
  const lost = closeLost(
    after(
      event({ type: 'begin', run: ended }),
      event({ type: 'begin', run: open }),
      event({ type: 'question', run: 'r2', question: QUESTION })
    )
  );
  assert.deepEqual(lost.lost, [lost.past[1].run]);
  assert.equal(lost.state, 'idle');
  assert.equal(lost.question, null);
  assert.deepEqual(
    allRuns(lost).map(({ status, cause }) => [status, cause]),
    [
      ['done', ''],
      ['failed', LOST_CAUSE]
    ]
  );
  assert.equal(lost.past[1].episode, 'episodes/e.ipynb');
  assert.deepEqual(
    lost.past[1].steps.map(({ status, undoable }) => [status, undoable]),
    [
      ['ok', false],
      ['dead', false]
    ]
  );
});

test('runs of a new kernel may carry the names of old ones', () => {
  const lost = closeLost(after(event({ type: 'begin', run: run('run-1') })));
  const again = reduce(lost, event({ type: 'begin', run: run('run-1', { task: 'again' }) }));
  const names = allRuns(again).map(({ run }) => run);
  assert.equal(new Set(names).size, 2);
  assert.deepEqual(again.lost.includes(again.runs[0].run), false);
});

test('pulls and proposals are kept by their names', () => {
  const pull = { name: 'm', total: 10, what: '', finished: false, error: '' };
  const snapshot = after(
    event({ type: 'pull', ...pull, done: 1 }),
    event({ type: 'pull', ...pull, done: 5 }),
    event({ type: 'proposal', run: 'r1', cell_id: 'u1', source: 'b', base: 'a' })
  );
  assert.equal(snapshot.pulls.m.done, 5);
  assert.equal(snapshot.proposals.u1.source, 'b');
});
