/**
 * Everything that the agent does to the cells of the open notebooks, one set of helpers for each.
 */
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import { NOTHING } from '../model';
import type { KernelEvent, Run } from '../protocol';
import type { CodeActSession } from '../session';
import type { ICodeActManager } from '../tokens';
import { insertAnswer } from './answer';
import { Follower } from './follow';
import { NotebookMarks } from './marks';
import { Memory } from './memory';
import { belongs } from './notebook';
import { cellIds } from './place';
import { Proposals } from './proposals';
import { Repairer } from './repair';
import { CellRunner } from './runner';

interface IHelpers {
  follower: Follower;
  proposals: Proposals;
  repairer: Repairer;
}

export class CellsController {
  /** `wantsAnswers` says whether answers go into the notebook. */
  constructor(manager: ICodeActManager, tracker: INotebookTracker, wantsAnswers: () => boolean) {
    this._manager = manager;
    this._wantsAnswers = wantsAnswers;
    this._memory = new Memory(localMemory());
    this._runner = new CellRunner(
      manager,
      this._memory,
      session => this._of(session).follower,
      session => this._of(session).repairer.mended
    );
    tracker.forEach(panel => this._mark(panel));
    tracker.widgetAdded.connect((_, panel) => this._mark(panel));
    for (const session of manager.sessions) {
      this._add(session);
    }
    manager.sessionAdded.connect((_, session) => this._add(session));
  }

  /** The proposals for cells of a session's notebook. */
  proposalsOf(session: CodeActSession): Proposals {
    return this._of(session).proposals;
  }

  private _add(session: CodeActSession): void {
    this._of(session);
    session.event.connect(this._onEvent, this);
    let open = '';
    session.changed.connect(() => {
      const now = openRuns(session);
      if (now !== open) {
        open = now;
        this._marks.get(session.panel)?.refresh();
      }
    });
    if (session.connected) {
      const { boot, snapshot } = session;
      // The session has said hello before we came.
      this._onEvent(session, { v: 1, type: 'hello', boot: boot ?? '', seq: 0, snapshot });
    }
  }

  private _of(session: CodeActSession): IHelpers {
    let helpers = this._helpers.get(session);
    if (helpers === undefined) {
      const follower = new Follower(session.panel);
      helpers = {
        follower,
        proposals: new Proposals(session, this._memory, follower),
        repairer: new Repairer(
          session,
          this._memory,
          id => this._runner.isRunning(id),
          run => this._answer(session, run)
        )
      };
      this._helpers.set(session, helpers);
    }
    return helpers;
  }

  private _onEvent(session: CodeActSession, event: KernelEvent): void {
    const { proposals, repairer } = this._of(session);
    repairer.onEvent(event);
    proposals.onEvent(event);
    this._runner.onEvent(session, event);
    if (event.type === 'done' && belongs(event.run, session.panel)) {
      this._answer(session, event.run);
    }
  }

  private _answer(session: CodeActSession, run: Run): void {
    if (this._wantsAnswers()) {
      insertAnswer(session, run);
    }
  }

  private _mark(panel: NotebookPanel): void {
    const marks = new NotebookMarks(panel, id => {
      const { runs, lostCells } = this._manager.sessionFor(panel)?.snapshot ?? NOTHING.snapshot;
      const active = runs.filter(run => run.status === null).flatMap(cellIds);
      return active.includes(id) ? 'open' : lostCells.includes(id) ? 'lost' : null;
    });
    this._marks.set(panel, marks);
  }

  private readonly _manager: ICodeActManager;
  private readonly _wantsAnswers: () => boolean;
  private readonly _memory: Memory;
  private readonly _runner: CellRunner;
  private readonly _helpers = new WeakMap<CodeActSession, IHelpers>();
  private readonly _marks = new WeakMap<NotebookPanel, NotebookMarks>();
}

/** Changes when a run begins, ends, or gets a cell. */
function openRuns(session: CodeActSession): string {
  return session.snapshot.runs
    .filter(run => run.status === null)
    .map(run => `${run.run}:${run.steps.map(step => step.cell_id ?? '').join()}`)
    .join(' ');
}

function localMemory(): Storage | null {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}
