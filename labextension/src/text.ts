/**
 * Pure text: what a person reads for states, figures and half-written replies.
 */
import type {
  Mode,
  ReplayCell,
  Run,
  StartOptions,
  State,
  Step,
  StepStatus,
  Usage
} from './protocol';

/** What a person set for the tasks of the box, as it was typed; empty: as the kernel is configured. */
export interface ITaskOptions {
  tools: string;
  action: '' | NonNullable<StartOptions['action']>;
  check: string;
}

/** What of it goes out with a task. */
export function startOptions(options: ITaskOptions): StartOptions {
  const tools = options.tools.split(/[\s,]+/).filter(name => name !== '');
  const check = options.check.trim();
  return {
    ...(tools.length > 0 && { tools }),
    ...(options.action !== '' && { action: options.action }),
    ...(check !== '' && { check })
  };
}

/** The line that can be seen while the options are folded. */
export function optionWords(options: ITaskOptions): string {
  const { tools, action, check } = startOptions(options);
  const set = [
    tools === undefined ? '' : `tools ${tools.join(', ')}`,
    action === undefined ? '' : `acts in ${action}`,
    check === undefined ? '' : `check ${check}`
  ].filter(words => words !== '');
  return set.length === 0 ? 'Options' : `Options: ${set.join('; ')}`;
}

/** What a half-written reply consists of so far. */
export interface IReplyParts {
  prose: string;
  code: string | null;
}

const MODE_WORDS: Record<Mode, string> = {
  plan: 'Plan only',
  ask: 'Ask each time',
  'ask-if-risky': 'Ask if risky',
  auto: 'Never ask'
};

const STATUS_WORDS: Record<StepStatus, string> = {
  thinking: 'thinking',
  writing: 'writing',
  asking: 'waiting for you',
  queued: 'queued',
  running: 'running',
  ok: 'done',
  error: 'error',
  refused: 'refused',
  interrupted: 'stopped',
  timeout: 'timed out',
  dead: 'kernel ended',
  'sent-back': 'sent back',
  answer: 'answer'
};

export const MODES = Object.keys(MODE_WORDS) as Mode[];

export function modeWords(mode: Mode): string {
  return MODE_WORDS[mode];
}

export function statusWords(status: StepStatus): string {
  return STATUS_WORDS[status];
}

/** A step that nothing will change any more. */
export function isEnded(status: StepStatus): boolean {
  return !['thinking', 'writing', 'asking', 'queued', 'running'].includes(status);
}

/** What the agent does now, e.g. `running step 2`; `run` is the one that is on, if any. */
export function stateWords(state: State, run: Run | null): string {
  const last = run?.steps[run.steps.length - 1];
  switch (state) {
    case 'generating':
      return last === undefined ? 'generating' : `generating step ${last.index}`;
    case 'awaiting_approval':
      return 'waiting for you';
    case 'executing':
      return last === undefined ? 'running' : `running step ${last.index}`;
    case 'stopping':
      return 'stopping';
    default:
      return 'idle';
  }
}

/** How a run ended, e.g. `stopped`. */
export function runWords(run: Run): string {
  switch (run.status) {
    case 'done':
      return 'done';
    case 'failed':
      return 'failed';
    case 'interrupted':
      return 'stopped';
    case 'limit':
      return 'limit reached';
    default:
      return 'running';
  }
}

/** Seconds as a person says them: `0.4 s`, `12 s`, `3 min 05 s`, `2 h 04 min`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, seconds);
  if (whole < 9.95) {
    return `${whole.toFixed(1)} s`;
  }
  if (whole < 59.5) {
    return `${Math.round(whole)} s`;
  }
  const total = Math.round(whole);
  if (total < 3600) {
    return `${Math.floor(total / 60)} min ${String(total % 60).padStart(2, '0')} s`;
  }
  const minutes = String(Math.floor((total % 3600) / 60)).padStart(2, '0');
  return `${Math.floor(total / 3600)} h ${minutes} min`;
}

/** Seconds that tick: whole ones, so that the figure does not flicker. */
export function ticking(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  return whole < 60 ? `${whole} s` : duration(whole);
}

/** Bytes in decimal units, e.g. `1.1 GB`. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = Math.max(0, count);
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** A count with thin groups, e.g. `12 345`. */
export function count(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

/** Tokens of a run in one line; money is never guessed. Empty when nothing was counted. */
export function usageWords(usage: Usage): string {
  if (usage.input + usage.output === 0) {
    return '';
  }
  const cached = usage.cached > 0 ? ` (${count(usage.cached)} cached)` : '';
  return `${count(usage.input)} tokens in${cached}, ${count(usage.output)} out`;
}

/** Speed of a step, e.g. `23 tokens/s`; empty when unknown. */
export function speedWords(step: Step): string {
  const speed = step.tokens_per_second;
  if (speed === null || !Number.isFinite(speed) || speed <= 0) {
    return '';
  }
  return `${speed < 10 ? speed.toFixed(1) : Math.round(speed)} tokens/s`;
}

/** Split a reply that is still being written into what was said and the code begun after it. */
export function splitReply(text: string): IReplyParts {
  const fence = /^[ \t]*(```+|~~~+)[^\n]*(\n|$)/m.exec(text);
  if (fence === null) {
    return { prose: dropHalfFence(text), code: null };
  }
  const rest = text.slice(fence.index + fence[0].length);
  const close = new RegExp(`^[ \\t]*${fence[1][0]}{${fence[1].length},}[ \\t]*$`, 'm').exec(rest);
  const code = close === null ? dropHalfFence(rest) : rest.slice(0, close.index);
  return { prose: text.slice(0, fence.index).trimEnd(), code: code.replace(/\n$/, '') };
}

/** A fence arrives tick by tick; its first ones are no text. */
function dropHalfFence(text: string): string {
  return text.replace(/(^|\n)[ \t]*`{1,2}$/, '$1');
}

/** The sentence of anything that was thrown. */
export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Words as a sentence begins. */
export function sentenceCase(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** How many steps an undo takes back to get before `step` of `run`; 0 when it cannot. */
export function stepsBack(runs: readonly Run[], run: string, step: number): number {
  let steps = 0;
  for (const other of [...runs].reverse()) {
    for (const candidate of [...other.steps].reverse()) {
      steps += candidate.undoable ? 1 : 0;
      if (other.run === run && candidate.index === step) {
        return candidate.undoable ? steps : 0;
      }
    }
  }
  return 0;
}

/** The first line of a cell that says something. */
export function firstLine(source: string): string {
  return (source.split('\n').find(line => line.trim() !== '') ?? '').trim();
}

const VERDICTS: Record<ReplayCell['verdict'], string> = {
  '': '',
  same: 'the same',
  drift: 'the same but for what may change',
  differs: 'differs',
  status: 'came out otherwise',
  skipped: 'skipped',
  'not-run': 'not run'
};

/** What came of a cell that ran again; `skip` says why it will not run. */
export function verdictWords(verdict: ReplayCell['verdict'], skip: string): string {
  return verdict === '' && skip !== '' ? 'will be skipped' : VERDICTS[verdict];
}
