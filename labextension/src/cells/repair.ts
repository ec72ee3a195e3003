/**
 * Puts back the agent's cells that a notebook lost, and the outputs of those that ran while no page looked.
 */
import type { ICodeCellModel } from '@jupyterlab/cells';
import type * as nbformat from '@jupyterlab/nbformat';
import type { NotebookPanel } from '@jupyterlab/notebook';

import type { CellRecord, CellsReply, KernelEvent, Run, StepEvent } from '../protocol';
import type { CodeActSession } from '../session';
import { isEnded } from '../text';
import type { Memory } from './memory';
import { agentMetadata, belongs, codeCellOf, hasRun, insertCell, markOf } from './notebook';
import { cellIds, endedUnseen, planRepair } from './place';

/** How long after the end of a step its outputs may still be under way to this page. */
const LATE_OUTPUT_MS = 2_000;

export class Repairer {
  /** `isRunning` says whether this page runs a cell now; `answer` puts the answer of a run into the notebook. */
  constructor(
    session: CodeActSession,
    memory: Memory,
    isRunning: (id: string) => boolean,
    answer: (run: Run) => void
  ) {
    this._session = session;
    this._memory = memory;
    this._isRunning = isRunning;
    this._answer = answer;
    this._watchDeletions(session.panel);
  }

  /** Fulfilled when the cells that the last hello found missing are back, or cannot be had. */
  get mended(): Promise<unknown> {
    return this._mended;
  }

  /** Take in an event of the session. */
  onEvent(event: KernelEvent): void {
    if (event.type === 'hello') {
      this._mended = Promise.all(event.snapshot.runs.map(run => this._greet(run).catch(report)));
    } else if (event.type === 'step') {
      this._onStep(event);
    } else if (event.type === 'done') {
      this._see(event.run);
    }
  }

  /** A run of the snapshot that a hello brought. */
  private async _greet(run: Run): Promise<void> {
    const { panel, boot } = this._session;
    await panel.context.ready;
    if (boot === null || run.inline || !belongs(run, panel)) {
      return;
    }
    const seen = this._memory.has(boot, 'seen', run.run);
    if (run.status !== null && !endedUnseen(run.ended, this._loaded(), seen)) {
      return;
    }
    await this._heal(run.run, cellIds(run));
    if (this._session.boot !== boot) {
      return;
    }
    // An open run may have ended meanwhile: then its answer came before the cells that it stands below.
    const now = this._session.snapshot.runs.find(({ run: name }) => name === run.run) ?? run;
    if (now.status !== null) {
      this._answer(now);
      this._see(now);
    }
  }

  /** The time of the notebook's file as this page read it. */
  private _loaded(): number | null {
    this._loadedAt ??= Date.parse(this._session.panel.context.contentsModel?.last_modified ?? '');
    return Number.isNaN(this._loadedAt) ? null : this._loadedAt;
  }

  private _see(run: Run): void {
    if (this._session.boot !== null) {
      this._memory.add(this._session.boot, 'seen', run.run);
    }
  }

  /** A step that has ended may have run without this page. */
  private _onStep(event: StepEvent): void {
    const { step } = event;
    const id = step.cell_id;
    if (id === null || !isEnded(step.status) || this._healed.has(id)) {
      return;
    }
    const run = this._session.snapshot.runs.find(({ run }) => run === event.run);
    if (run === undefined || run.inline || !this._holds(run)) {
      return;
    }
    this._healed.add(id);
    window.setTimeout(() => void this._heal(event.run, [id]).catch(report), LATE_OUTPUT_MS);
  }

  /** Ask for the cells of a run if any of these is missing or has not run, and mend what can be. */
  private async _heal(run: string, ids: string[]): Promise<void> {
    const { panel, boot } = this._session;
    const deleted = boot === null ? new Set<string>() : this._memory.all(boot, 'deleted');
    if (!ids.some(id => !deleted.has(id) && this._lacks(id))) {
      return;
    }
    const reply = await this._session.request<CellsReply>({ type: 'cells', run });
    if (panel.isDisposed) {
      return;
    }
    const records = reply.cells.filter(record => ids.includes(record.cell_id));
    for (const record of records) {
      this._fill(record);
    }
    const present = Array.from(panel.content.model?.cells ?? [], model => model.id);
    const mendable = reply.cells.filter(record => !this._isRunning(record.cell_id));
    for (const { index, record } of planRepair(
      present,
      mendable,
      deleted,
      panel.content.activeCellIndex
    )) {
      this._putBack(run, index, record);
    }
  }

  /** Whether cells of a run are here: a second tab of the same notebook is left as it is. */
  private _holds(run: Run): boolean {
    const own = new Set(cellIds(run));
    return Array.from(this._session.panel.content.model?.cells ?? []).some(({ id }) => own.has(id));
  }

  private _lacks(id: string): boolean {
    const cell = codeCellOf(this._session.panel.content, id);
    return !this._isRunning(id) && (cell === null || !hasRun(cell.model));
  }

  /** Give a cell that stands there as the agent wrote it, and never ran here, what it put out. */
  private _fill(record: CellRecord): void {
    const model = codeCellOf(this._session.panel.content, record.cell_id)?.model;
    if (
      model === undefined ||
      record.execution_count === null ||
      hasRun(model) ||
      this._isRunning(record.cell_id) ||
      markOf(model) === null ||
      model.sharedModel.getSource() !== record.code
    ) {
      return;
    }
    fill(model, record);
  }

  private _putBack(run: string, index: number, record: CellRecord): void {
    const { panel, boot } = this._session;
    const facts = { run: `${boot ?? ''}-${run}`, step: record.step };
    insertCell(panel.content, index, {
      id: record.cell_id,
      type: 'code',
      source: record.code,
      metadata: { codeact: agentMetadata(facts, 'action', record.code), trusted: true },
      outputs: record.outputs as nbformat.IOutput[],
      executionCount: record.execution_count
    });
  }

  /** Remember which of the agent's cells the user deletes: those are not put back. */
  private _watchDeletions(panel: NotebookPanel): void {
    const known = new Set<string>();
    const look = (): void => {
      const model = panel.content.model;
      if (model === null || model.isDisposed || panel.isDisposed) {
        return;
      }
      const present = new Set<string>();
      for (const cell of model.cells) {
        present.add(cell.id);
        if (!known.has(cell.id) && markOf(cell) !== null) {
          known.add(cell.id);
          this._forgive(cell.id);
        }
      }
      for (const id of known) {
        if (!present.has(id)) {
          known.delete(id);
          if (this._session.boot !== null) {
            this._memory.add(this._session.boot, 'deleted', id);
          }
        }
      }
    };
    let due = false;
    const lookSoon = (): void => {
      // A cell that is moved is deleted and inserted again.
      if (!due) {
        due = true;
        queueMicrotask(() => {
          due = false;
          look();
        });
      }
    };
    void panel.context.ready.then(() => {
      panel.content.model?.cells.changed.connect(lookSoon);
      look();
    });
  }

  /** A cell that is there is not deleted, whatever was: the user took the deletion back. */
  private _forgive(id: string): void {
    if (this._session.boot !== null) {
      this._memory.remove(this._session.boot, 'deleted', id);
    }
  }

  private readonly _session: CodeActSession;
  private readonly _memory: Memory;
  private readonly _isRunning: (id: string) => boolean;
  private readonly _answer: (run: Run) => void;
  private readonly _healed = new Set<string>();
  private _mended: Promise<unknown> = Promise.resolve();
  private _loadedAt: number | null = null;
}

function fill(model: ICodeCellModel, record: CellRecord): void {
  model.sharedModel.transact(() => {
    model.sharedModel.setOutputs(record.outputs as nbformat.IOutput[]);
    model.sharedModel.execution_count = record.execution_count;
  }, false);
}

function report(reason: unknown): void {
  console.warn('Cells of the agent could not be put back.', reason);
}
