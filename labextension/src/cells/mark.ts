/**
 * What marks a cell as the agent's: its `codeact` metadata, and the words of its chip. Pure.
 */

/** What the agent's cell is for. */
export type Role = 'action' | 'answer';

/** The `codeact` metadata of a cell. */
export interface ICellMark {
  run: string;
  /** Index of the step; null where it is not known. */
  step: number | null;
  role: Role;
  episode?: string;
  /** Of the source as the agent wrote it, so that edits show. */
  digest?: string;
}

/** What became of an agent's cell. */
export interface ICellFate {
  /** Its outputs hold an error. */
  failed: boolean;
  /** It has run to its end, or runs now. */
  ran: boolean;
  /** It was interrupted, or it began and its kernel went away. */
  stopped: boolean;
  /** Somebody changed the source since the agent wrote it. */
  edited: boolean;
  /** Its run is still on, so what has not run may yet. */
  open: boolean;
}

export const METADATA_KEY = 'codeact';

/** Read `codeact` metadata; null when it marks no cell of the agent in a notebook. */
export function readMark(value: unknown): ICellMark | null {
  if (typeof value !== 'object' || value === null) {
    return null;
  }
  const { run, step, role, episode, digest } = value as Record<string, unknown>;
  if (typeof run !== 'string' || (role !== 'action' && role !== 'answer')) {
    return null;
  }
  return {
    run,
    step: typeof step === 'number' ? step : null,
    role,
    ...(typeof episode === 'string' ? { episode } : {}),
    ...(typeof digest === 'string' ? { digest } : {})
  };
}

/** A short digest of a source (FNV-1a, 8 hex digits): tells edits, is no safeguard. */
export function digest(source: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < source.length; at++) {
    hash = Math.imul(hash ^ source.charCodeAt(at), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
}

/** Whether the source is another than the agent wrote; false where that is not known. */
export function isEdited(mark: ICellMark, source: string): boolean {
  return mark.digest !== undefined && mark.digest !== digest(source);
}

type Status = 'edited' | 'failed' | 'stopped' | 'not run' | '';

/** One word for what to know about the cell first, or an empty string. */
export function statusOf(mark: ICellMark, fate: ICellFate): Status {
  return fate.edited ? 'edited' : becameOf(mark, fate);
}

/** What became of what the agent wrote. */
function becameOf(mark: ICellMark, fate: ICellFate): Exclude<Status, 'edited'> {
  if (mark.role === 'answer') {
    return '';
  }
  if (fate.stopped) {
    return 'stopped';
  }
  if (fate.failed) {
    return 'failed';
  }
  return fate.ran || fate.open ? '' : 'not run';
}

const SENTENCES = {
  failed: ['It failed; the agent saw the error.'],
  stopped: ['It was stopped before its end.'],
  'not run': ['It has not run.'],
  '': []
};

/** What the chip says. */
export function chipText(mark: ICellMark, fate: ICellFate): string {
  const what = mark.role === 'answer' ? 'answer' : mark.step === null ? '' : `step ${mark.step}`;
  return ['CodeAct', what, statusOf(mark, fate)].filter(part => part !== '').join(' · ');
}

/** What the chip means, in sentences. */
export function chipTitle(mark: ICellMark, fate: ICellFate): string {
  const sentences = [
    mark.role === 'answer'
      ? 'The CodeAct agent wrote this answer.'
      : mark.step === null
        ? 'The CodeAct agent wrote this cell.'
        : `The CodeAct agent wrote this cell as step ${mark.step} of its task.`
  ];
  sentences.push(...SENTENCES[becameOf(mark, fate)]);
  if (fate.edited) {
    sentences.push('You have edited it since; the episode keeps what the agent wrote.');
  }
  if (mark.episode !== undefined) {
    sentences.push(`Its record is in ${mark.episode}.`);
  }
  return sentences.join(' ');
}
