/**
 * What the kernel's events make of what the panel shows: a pure reducer, no I/O.
 */
import type {
  KernelEvent,
  ProposalEvent,
  PullEvent,
  Run,
  Snapshot as WireSnapshot,
  Step,
  TokenEvent
} from './protocol';
import { isEnded } from './text';

/** The kernel's snapshot, and what came since that the kernel does not keep. */
export interface Snapshot extends WireSnapshot {
  /** Runs of kernel processes that are gone, oldest first. */
  past: Run[];
  /** Ids of the runs that were cut off by the end of their kernel. */
  lost: string[];
  /** Ids of the cells that ran then. */
  lostCells: string[];
  /** The last sentences from the kernel, by run; the empty key is about no run. */
  notices: Record<string, string>;
  /** Downloads by model name; a finished one stays until the next. */
  pulls: Record<string, PullEvent>;
  /** Proposals for the user's cells that were not yet answered, by cell id. */
  proposals: Record<string, ProposalEvent>;
}

/** What was known of a kernel when its channel ended, and of which of its processes. */
export interface IKnown {
  snapshot: Snapshot;
  boot: string | null;
}

export const LOST_CAUSE = 'The kernel ended while this task ran.';

const MAX_PAST = 20;

/** Nothing known yet. */
export function emptySnapshot(): Snapshot {
  return {
    state: 'idle',
    runs: [],
    question: null,
    execute: null,
    settings: { model: '', approval: 'ask-if-risky', max_steps: 0 },
    owner: null,
    past: [],
    lost: [],
    lostCells: [],
    notices: {},
    pulls: {},
    proposals: {}
  };
}

export const NOTHING: IKnown = { snapshot: emptySnapshot(), boot: null };

/**
 * Apply one event.
 *
 * `sameBoot` matters for `hello` only: false when the kernel process is another one than before.
 * Returns the same object when nothing changed.
 */
export function reduce(snapshot: Snapshot, event: KernelEvent, sameBoot = true): Snapshot {
  switch (event.type) {
    case 'settings':
      return { ...snapshot, settings: event.settings };
    case 'hello': {
      const kept = sameBoot ? snapshot : closeLost(snapshot);
      return { ...kept, ...event.snapshot };
    }
    case 'begin':
      return { ...snapshot, runs: upsertRun(snapshot.runs, event.run) };
    case 'state':
      return onState(snapshot, event.state, event.run);
    case 'step':
      return onStep(snapshot, event.run, event.step);
    case 'token':
      return onToken(snapshot, event);
    case 'question':
      return { ...snapshot, question: event.question };
    case 'execute':
      return { ...snapshot, execute: event };
    case 'cancel':
      return snapshot.execute?.cell_id === event.cell_id
        ? { ...snapshot, execute: null }
        : snapshot;
    case 'done':
      return onDone(snapshot, event.run);
    case 'proposal':
      return { ...snapshot, proposals: { ...snapshot.proposals, [event.cell_id]: event } };
    case 'notice':
      return {
        ...snapshot,
        notices: { ...snapshot.notices, [event.run ?? '']: event.sentence }
      };
    case 'pull':
      return { ...snapshot, pulls: { ...snapshot.pulls, [event.name]: event } };
    default:
      // A newer kernel may tell more than this panel knows.
      return snapshot;
  }
}

/** The kernel process is gone: whatever ran is lost, its runs become the past. */
export function closeLost(snapshot: Snapshot): Snapshot {
  const runs = snapshot.runs.map(past);
  const cutOff = runs.filter((_, at) => snapshot.runs[at].status === null).map(run => run.run);
  const running = snapshot.runs.flatMap(run =>
    run.steps.flatMap(({ status, cell_id }) => (status === 'running' && cell_id ? [cell_id] : []))
  );
  return {
    ...snapshot,
    state: 'idle',
    runs: [],
    question: null,
    execute: null,
    owner: null,
    past: [...snapshot.past, ...runs].slice(-MAX_PAST),
    lost: [...snapshot.lost, ...cutOff],
    lostCells: [...snapshot.lostCells, ...running],
    notices: {},
    proposals: {}
  };
}

/** Whether a run belongs to a kernel process that is gone: it can be read, but nothing can be asked about it. */
export function isPast(snapshot: Snapshot, run: Run): boolean {
  return snapshot.past.includes(run);
}

/** The run that is on, or null. */
export function activeRun(snapshot: Snapshot): Run | null {
  const run = snapshot.runs[snapshot.runs.length - 1];
  return run?.status === null ? run : null;
}

/** Past and present runs, oldest first. */
export function allRuns(snapshot: Snapshot): Run[] {
  return [...snapshot.past, ...snapshot.runs];
}

/** A run as it stays when its kernel is gone. The next kernel counts its runs anew, so it gets a name of its own. */
function past(run: Run): Run {
  const name = `${run.run}@${run.started}`;
  const ended = run.status !== null;
  const steps = run.steps.map(step => ({
    ...step,
    status: isEnded(step.status) ? step.status : ('dead' as const),
    undoable: false
  }));
  const end = ended ? {} : { state: 'idle' as const, status: 'failed' as const, cause: LOST_CAUSE };
  return { ...run, ...end, run: name, steps };
}

function onState(snapshot: Snapshot, state: Snapshot['state'], id: string | null): Snapshot {
  const next = { ...snapshot, state };
  return id === null ? next : withRun(next, id, run => ({ ...run, state }));
}

function onStep(snapshot: Snapshot, id: string, step: Step): Snapshot {
  const pending = snapshot.execute;
  const begun = pending?.run === id && pending.step === step.index && step.status !== 'queued';
  const next = begun ? { ...snapshot, execute: null } : snapshot;
  return withRun(next, id, run => ({ ...run, steps: upsertStep(run.steps, step) }));
}

function onDone(snapshot: Snapshot, run: Run): Snapshot {
  const ended = { ...run, state: 'idle' as const };
  const runs = upsertRun(snapshot.runs, ended);
  return { ...snapshot, runs, question: null, execute: null, owner: null };
}

function withRun(snapshot: Snapshot, id: string, change: (run: Run) => Run): Snapshot {
  const index = snapshot.runs.findIndex(run => run.run === id);
  if (index < 0) {
    return snapshot;
  }
  const runs = snapshot.runs.slice();
  runs[index] = change(runs[index]);
  return { ...snapshot, runs };
}

function upsertRun(runs: Run[], run: Run): Run[] {
  const index = runs.findIndex(other => other.run === run.run);
  return index < 0 ? [...runs, run] : runs.map((other, at) => (at === index ? run : other));
}

function upsertStep(steps: Step[], step: Step): Step[] {
  const index = steps.findIndex(other => other.index === step.index);
  if (index < 0) {
    return [...steps, step].sort((a, b) => a.index - b.index);
  }
  return steps.map((other, at) => (at === index ? step : other));
}

function onToken(snapshot: Snapshot, event: TokenEvent): Snapshot {
  return withRun(snapshot, event.run, run => {
    const step = run.steps.find(other => other.index === event.step);
    const text = step === undefined ? null : splice(step.text, event.text, event.offset);
    if (step === undefined || text === null) {
      return run;
    }
    return { ...run, steps: upsertStep(run.steps, { ...step, text }) };
  });
}

/** Offsets count code points, as Python does; null when text in between is missing. */
function splice(have: string, text: string, offset: number): string | null {
  const points = Array.from(have);
  if (offset > points.length) {
    return null;
  }
  return points.slice(0, offset).join('') + text;
}
