import assert from 'node:assert/strict';
import test from 'node:test';

import type { StepStatus } from '../src/protocol';
import {
  bytes,
  count,
  duration,
  firstLine,
  isEnded,
  optionWords,
  splitReply,
  startOptions,
  stateWords,
  statusWords,
  stepsBack,
  ticking,
  usageWords,
  verdictWords
} from '../src/text';
import { run, step } from './samples';

test('durations read as a person says them', () => {
  assert.equal(duration(0.04), '0.0 s');
  assert.equal(duration(9.94), '9.9 s');
  assert.equal(duration(9.96), '10 s');
  assert.equal(duration(59.4), '59 s');
  assert.equal(duration(59.6), '1 min 00 s');
  assert.equal(duration(185), '3 min 05 s');
  assert.equal(duration(7440), '2 h 04 min');
  assert.equal(duration(-3), '0.0 s');
  assert.equal(ticking(12.9), '12 s');
});

test('options go out as typed, less what is empty, and are named while they are folded', () => {
  const none = { tools: ' , ', action: '', check: ' ' } as const;
  assert.deepEqual(startOptions(none), {});
  assert.equal(optionWords(none), 'Options');
  const all = { tools: 'lookup, price  tax,', action: 'json', check: ' answer > 0 ' } as const;
  assert.deepEqual(startOptions(all), {
    tools: ['lookup', 'price', 'tax'],
    action: 'json',
    check: 'answer > 0'
  });
  assert.equal(
    optionWords(all),
    'Options: tools lookup, price, tax; acts in json; check answer > 0'
  );
});

test('sizes, counts and tokens', () => {
  assert.equal(bytes(0), '0 B');
  assert.equal(bytes(999), '999 B');
  assert.equal(bytes(1_117_000_000), '1.1 GB');
  assert.equal(bytes(468_000_000), '468 MB');
  assert.equal(count(1234567), '1\u202f234\u202f567');
  assert.equal(usageWords({ input: 0, output: 0, cached: 0 }), '');
  assert.equal(
    usageWords({ input: 1200, output: 80, cached: 900 }),
    '1\u202f200 tokens in (900 cached), 80 out'
  );
});

test('a reply is split into words and code at any point of its writing', () => {
  const reply = 'Look first.\n\n```python\ndf.head()\n```\n';
  assert.deepEqual(splitReply('Look first.'), { prose: 'Look first.', code: null });
  assert.deepEqual(splitReply('Look first.\n\n``'), { prose: 'Look first.\n\n', code: null });
  assert.deepEqual(splitReply('Look first.\n\n```py'), { prose: 'Look first.', code: '' });
  assert.deepEqual(splitReply('Look first.\n\n```python\ndf.he'), {
    prose: 'Look first.',
    code: 'df.he'
  });
  assert.deepEqual(splitReply(reply), { prose: 'Look first.', code: 'df.head()' });
  for (let at = 0; at <= reply.length; at++) {
    const { prose, code } = splitReply(reply.slice(0, at));
    assert.ok(!prose.includes('`') && !(code ?? '').includes('```'), reply.slice(0, at));
  }
});

test('a fence within code of a longer fence does not end it', () => {
  const text = '````python\ns = """\n```\n"""\n````';
  assert.equal(splitReply(text).code, 's = """\n```\n"""');
});

test('states are said with the step that they are about', () => {
  const one = run('r1', { steps: [step(3)] });
  assert.equal(stateWords('idle', null), 'idle');
  assert.equal(stateWords('generating', run('r1')), 'generating');
  assert.equal(stateWords('generating', one), 'generating step 3');
  assert.equal(stateWords('executing', one), 'running step 3');
  assert.equal(stateWords('awaiting_approval', one), 'waiting for you');
  assert.equal(stateWords('stopping', one), 'stopping');
});

test('every status has words, and exactly five of them go on', () => {
  const statuses: StepStatus[] = ['thinking', 'writing', 'asking', 'queued', 'running'];
  const ended: StepStatus[] = [
    'ok',
    'error',
    'refused',
    'interrupted',
    'timeout',
    'dead',
    'sent-back',
    'answer'
  ];
  assert.ok(statuses.every(status => !isEnded(status)));
  assert.ok(ended.every(status => isEnded(status)));
  assert.ok([...statuses, ...ended].every(status => statusWords(status).length > 1));
});

test('an undo goes back over the steps that can be undone, across runs', () => {
  const runs = [
    run('r1', { steps: [step(1, { undoable: true }), step(2, { undoable: false })] }),
    run('r2', { steps: [step(3, { undoable: true }), step(4, { undoable: true })] })
  ];
  assert.equal(stepsBack(runs, 'r2', 4), 1);
  assert.equal(stepsBack(runs, 'r2', 3), 2);
  assert.equal(stepsBack(runs, 'r1', 1), 3);
  assert.equal(stepsBack(runs, 'r1', 2), 0);
  assert.equal(stepsBack(runs, 'r9', 1), 0);
});

test('a cell is shown by its first line that says something', () => {
  assert.equal(firstLine('\n\n  x = 1\ny = 2'), 'x = 1');
  assert.equal(firstLine('  \n'), '');
});

test('a cell that will be skipped says so before it would run, and its verdict after', () => {
  assert.equal(verdictWords('', ''), '');
  assert.equal(verdictWords('', 'it has the tag nbval-skip'), 'will be skipped');
  assert.equal(verdictWords('skipped', 'it has the tag nbval-skip'), 'skipped');
  assert.equal(verdictWords('differs', ''), 'differs');
});
