/**
 * Runs the agent's actions as real cells: inserts each below the one before and executes it in the notebook's kernel.
 */
import { CodeCell } from '@jupyterlab/cells';

import type { CellDoneMessage, ExecuteEvent, KernelEvent } from '../protocol';
import type { CodeActSession } from '../session';
import type { ICodeActManager } from '../tokens';
import type { Follower } from './follow';
import type { Memory } from './memory';
import {
  agentMetadata,
  attempts,
  codeCellOf,
  hasError,
  hasRun,
  indexOf,
  insertCell,
  samePath,
  siblings
} from './notebook';
import { cellIds, insertionIndex } from './place';
import { hasLongTraceback } from './traceback';

/** How often a cell is sent again that was aborted because a cell before it failed. */
const MAX_RETRIES = 3;

/** How long a cell waits for those above it; the kernel waits for 5 s until it runs the cell by itself. */
const MENDING_MS = 3_000;

type Outcome = Pick<CellDoneMessage, 'status' | 'execution_count'>;

export class CellRunner {
  constructor(
    manager: ICodeActManager,
    memory: Memory,
    followerOf: (session: CodeActSession) => Follower,
    mendedOf: (session: CodeActSession) => Promise<unknown>
  ) {
    this._manager = manager;
    this._memory = memory;
    this._followerOf = followerOf;
    this._mendedOf = mendedOf;
  }

  /** Take in an event of a session. */
  onEvent(session: CodeActSession, event: KernelEvent): void {
    if (event.type === 'cancel') {
      this._cancelled.add(event.cell_id);
    } else if (event.type === 'execute') {
      this._onExecute(session, event);
    } else if (event.type === 'hello' && event.snapshot.execute !== null) {
      this._onPending(session, event.snapshot.execute);
    }
  }

  /** Whether a cell is being run by this page now. */
  isRunning(id: string): boolean {
    return this._running.has(id);
  }

  /** A page that has just come finds a cell that somebody may have sent already. */
  private _onPending(session: CodeActSession, event: ExecuteEvent): void {
    const sent = session.boot !== null && this._memory.has(session.boot, 'sent', event.cell_id);
    if (!sent || this._done.has(event.cell_id)) {
      this._onExecute(session, event);
    }
  }

  private _onExecute(session: CodeActSession, event: ExecuteEvent): void {
    if (this._running.has(event.cell_id)) {
      return;
    }
    // Whichever notebook of the kernel is asked: the cell goes where it belongs, once.
    const home = this._home(session, event) ?? session;
    const known = this._done.get(event.cell_id);
    if (known !== undefined) {
      this._report(home, event.cell_id, known);
      return;
    }
    this._running.add(event.cell_id);
    void this._run(home, event)
      .catch((reason: unknown): Outcome => {
        console.error('The cell of the agent could not be run.', reason);
        return { status: 'aborted', execution_count: null };
      })
      .then(outcome => {
        this._running.delete(event.cell_id);
        this._done.set(event.cell_id, outcome);
        this._report(home, event.cell_id, outcome);
      });
  }

  private _report(session: CodeActSession, cell_id: string, outcome: Outcome): void {
    session.send({ type: 'cell_done', cell_id, ...outcome });
  }

  /** The session whose notebook takes the cell, the same for whichever session of the kernel asks. */
  private _home(session: CodeActSession, event: ExecuteEvent): CodeActSession | undefined {
    const candidates = siblings(session, this._manager.sessions);
    const run = session.snapshot.runs.find(({ run }) => run === event.run);
    const holds = (id: string | null | undefined): CodeActSession | undefined =>
      id === null || id === undefined
        ? undefined
        : candidates.find(({ panel }) => indexOf(panel.content, id) >= 0);
    const path = run?.notebook ?? null;
    return (
      holds(event.cell_id) ??
      holds(event.after) ??
      holds(run?.cell_id) ??
      candidates.find(({ panel }) => path !== null && samePath(path, panel.context.path)) ??
      candidates[0]
    );
  }

  private async _run(session: CodeActSession, event: ExecuteEvent): Promise<Outcome> {
    const { panel } = session;
    await panel.context.ready;
    // The cells above it may still be on their way back to a page that was reloaded.
    const late = new Promise<void>(resolve => window.setTimeout(resolve, MENDING_MS));
    await Promise.race([this._mendedOf(session), late]);
    const follower = this._followerOf(session);
    const follow = follower.willing();
    if (indexOf(panel.content, event.cell_id) < 0) {
      this._insert(session, event);
    }
    const cell = codeCellOf(panel.content, event.cell_id);
    if (cell === null) {
      return { status: 'gone', execution_count: null };
    }
    if (hasRun(cell.model)) {
      return outcomeOf(cell);
    }
    session.send({ type: 'cell_started', cell_id: event.cell_id });
    if (session.boot !== null) {
      this._memory.add(session.boot, 'sent', event.cell_id);
    }
    if (follow) {
      follower.show(event.cell_id);
    }
    const outcome = await this._execute(session, event, cell);
    if (follow && follower.willing()) {
      window.requestAnimationFrame(() => follower.show(event.cell_id));
    }
    return outcome;
  }

  private _insert(session: CodeActSession, event: ExecuteEvent): void {
    const notebook = session.panel.content;
    const run = session.snapshot.runs.find(({ run }) => run === event.run);
    const index = insertionIndex(attempts(notebook), {
      after: event.after,
      own: new Set(run === undefined ? [] : cellIds(run)),
      active: notebook.activeCellIndex
    });
    const facts = event.metadata.codeact as Record<string, unknown> | undefined;
    const codeact = agentMetadata(facts, 'action', event.code);
    insertCell(notebook, index, {
      id: event.cell_id,
      type: 'code',
      source: event.code,
      metadata: { ...event.metadata, codeact, trusted: true }
    });
  }

  /** Execute until the kernel has really taken it, or has refused it often enough. */
  private async _execute(
    session: CodeActSession,
    event: ExecuteEvent,
    cell: CodeCell
  ): Promise<Outcome> {
    for (let attempt = 0; attempt <= MAX_RETRIES; attempt++) {
      if (cell.isDisposed) {
        break;
      }
      if (this._cancelled.has(event.cell_id) || cell.model.sharedModel.getSource() !== event.code) {
        return { status: 'aborted', execution_count: null };
      }
      const status = await execute(session, cell);
      if (status === null) {
        break;
      }
      if (status === 'declined') {
        forgetNumber(cell);
        return { status: 'aborted', execution_count: null };
      }
      if (status === 'error') {
        shorten(cell);
      }
      if (status !== 'aborted') {
        return { status, execution_count: cell.model?.executionCount ?? null };
      }
    }
    // A cell that was moved lives on in another widget; the kernel knows what became of it.
    const gone = indexOf(session.panel.content, event.cell_id) < 0;
    return { status: gone ? 'gone' : 'aborted', execution_count: null };
  }

  private readonly _manager: ICodeActManager;
  private readonly _memory: Memory;
  private readonly _followerOf: (session: CodeActSession) => Follower;
  private readonly _mendedOf: (session: CodeActSession) => Promise<unknown>;
  private readonly _running = new Set<string>();
  private readonly _cancelled = new Set<string>();
  private readonly _done = new Map<string, Outcome>();
}

/** Execute a cell once; null when its request came to nothing, because cell or kernel went away. */
async function execute(
  session: CodeActSession,
  cell: CodeCell
): Promise<'ok' | 'error' | 'aborted' | 'declined' | null> {
  const tags = cell.model.getMetadata('tags') as unknown;
  const recordTiming = session.panel.content.notebookConfig.recordTiming;
  let reply: Awaited<ReturnType<typeof CodeCell.execute>>;
  try {
    // The tag goes with the request only: Lab's way to say stop_on_error false, so that a failing cell of the agent
    // does not abort the cells that the user has queued.
    reply = await CodeCell.execute(cell, session.panel.sessionContext, {
      tags: [...(Array.isArray(tags) ? (tags as string[]) : []), 'raises-exception'],
      recordTiming
    });
  } catch (reason) {
    console.warn('The cell of the agent was cut off.', reason);
    return null;
  }
  if (!reply) {
    return null;
  }
  const { codeact } = reply.content as { codeact?: string };
  if (codeact === 'declined') {
    return 'declined'; // the kernel took it for what it is, and did not run it
  }
  // Kernels say `aborted` where the protocol's types know `abort`.
  const status = reply.content.status as string;
  return status === 'ok' || status === 'error' ? status : 'aborted';
}

/** Have a long traceback scroll in its cell, so that the notebook stays readable. Not part of the user's undo. */
function shorten(cell: CodeCell): void {
  if (!cell.isDisposed && hasLongTraceback(cell.model.outputs.toJSON())) {
    cell.outputsScrolled = true;
    cell.model.sharedModel.transact(() => cell.saveScrolledState(), false);
  }
}

/** Take the number from a cell that did not run: it was another cell's. Not part of the user's undo. */
function forgetNumber(cell: CodeCell): void {
  if (!cell.isDisposed) {
    const shared = cell.model.sharedModel;
    shared.transact(() => (shared.execution_count = null), false);
  }
}

/** What a cell that has run before says of itself. */
function outcomeOf(cell: CodeCell): Outcome {
  const status = hasError(cell.model) ? 'error' : 'ok';
  return { status, execution_count: cell.model.executionCount };
}
