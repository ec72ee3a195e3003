/**
 * What other plugins may ask of this extension.
 */
import type { NotebookPanel } from '@jupyterlab/notebook';
import { Token } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';

import type { CodeActSession } from './session';

/** One session per open notebook. */
export interface ICodeActManager {
  /** The session of the notebook in front, or null without one. */
  readonly current: CodeActSession | null;

  /** Emitted when another notebook comes to the front, with its session. */
  readonly currentChanged: ISignal<ICodeActManager, CodeActSession | null>;

  /** All live sessions. */
  readonly sessions: Iterable<CodeActSession>;

  /** Emitted for every notebook that opens, once its session exists. */
  readonly sessionAdded: ISignal<ICodeActManager, CodeActSession>;

  /** The session of a notebook, or null when it is not (any more) open. */
  sessionFor(panel: NotebookPanel): CodeActSession | null;
}

export const ICodeActManager = new Token<ICodeActManager>(
  'codeact-kernel:ICodeActManager',
  'The sessions between open notebooks and the agents in their kernels.'
);
