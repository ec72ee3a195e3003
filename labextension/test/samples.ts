/** Objects of the protocol for the tests, whole and plain. */
import type { Run, Step } from '../src/protocol';

export function step(index: number, more: Partial<Step> = {}): Step {
  return {
    index,
    status: 'thinking',
    thought: '',
    code: null,
    text: '',
    risks: [],
    approval: null,
    edited: false,
    cell_id: null,
    execution_count: null,
    summary: '',
    outputs: [],
    seconds: 0,
    tokens: 0,
    tokens_per_second: null,
    unsaved: [],
    undoable: false,
    notice: '',
    ...more
  };
}

export function run(name: string, more: Partial<Run> = {}): Run {
  return {
    run: name,
    task: 'which region grew?',
    notebook: 'work/a.ipynb',
    cell_id: null,
    model: 'scripted',
    approval: 'ask-if-risky',
    surface: 'panel',
    state: 'generating',
    status: null,
    answer: '',
    cause: '',
    episode: null,
    usage: { input: 0, output: 0, cached: 0 },
    started: 1_790_000_000,
    ended: null,
    steps: [],
    inline: false,
    ...more
  };
}
