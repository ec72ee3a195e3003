/**
 * Where the agent's cells belong in a notebook, and which of them a page has lost. Pure.
 */
import type { CellRecord, Run } from '../protocol';
import type { ICellMark } from './mark';

/** A cell of a notebook, as far as placing is concerned. */
export interface IPlaced {
  id: string;
  mark: ICellMark | null;
}

/** Where an insertion was asked for. */
export interface IPlaceRequest {
  /** Insert below this cell; null or unknown: below the last cell of the run. */
  after: string | null;
  /** Ids of the run's cells. */
  own: ReadonlySet<string>;
  /** Index of the active cell; below it goes what has no other place. -1: none. */
  active: number;
}

/**
 * The index at which a cell of a run goes in.
 *
 * Below `after`, and below the run's own cells that directly follow it, so that steps keep their order even when
 * every one of them names the same cell.
 */
export function insertionIndex(cells: readonly IPlaced[], request: IPlaceRequest): number {
  let at = request.after === null ? -1 : cells.findIndex(cell => cell.id === request.after);
  if (at < 0) {
    at = lastIndex(cells, cell => request.own.has(cell.id));
  }
  if (at < 0) {
    at = request.active >= 0 && request.active < cells.length ? request.active : cells.length - 1;
  }
  while (at + 1 < cells.length && request.own.has(cells[at + 1].id)) {
    at += 1;
  }
  return at + 1;
}

/** Ids of the real cells of a run, in order. */
export function cellIds(run: Run): string[] {
  return run.steps.flatMap(step => (step.cell_id === null ? [] : [step.cell_id]));
}

/** Index of the last cell that a run put into the notebook; -1 without one. */
export function lastOfRun(cells: readonly IPlaced[], own: ReadonlySet<string>): number {
  return lastIndex(cells, cell => own.has(cell.id));
}

/** A cell to put back, and where. */
export interface IRepair {
  index: number;
  record: CellRecord;
}

/**
 * Which cells of a run are missing, and at which indices they go in when inserted in this order.
 *
 * Cells that the user deleted stay deleted. What has lost its neighbours goes below `active`.
 */
export function planRepair(
  present: readonly string[],
  records: readonly CellRecord[],
  deleted: ReadonlySet<string>,
  active: number
): IRepair[] {
  const ids = [...present];
  const plan: IRepair[] = [];
  records.forEach((record, at) => {
    if (ids.includes(record.cell_id) || deleted.has(record.cell_id)) {
      return;
    }
    const index = repairIndex(ids, records, at, active);
    ids.splice(index, 0, record.cell_id);
    plan.push({ index, record });
  });
  return plan;
}

function repairIndex(
  ids: readonly string[],
  records: readonly CellRecord[],
  at: number,
  active: number
): number {
  const before = records.slice(0, at).reverse();
  // The nearest cell above: what it was put below, then the run's earlier cells and what they were put below.
  const above = [records[at].after, ...before.flatMap(record => [record.cell_id, record.after])];
  for (const id of above) {
    const index = id === null ? -1 : ids.indexOf(id);
    if (index >= 0) {
      return afterEarlier(ids, index, before);
    }
  }
  for (const later of records.slice(at + 1)) {
    const index = ids.indexOf(later.cell_id);
    if (index >= 0) {
      return index;
    }
  }
  return active >= 0 && active < ids.length ? active + 1 : ids.length;
}

/** Below the cell at `index` and the run's earlier cells that directly follow it. */
function afterEarlier(
  ids: readonly string[],
  index: number,
  before: readonly CellRecord[]
): number {
  const earlier = new Set(before.map(record => record.cell_id));
  let next = index + 1;
  while (next < ids.length && earlier.has(ids[next])) {
    next += 1;
  }
  return next;
}

/**
 * Whether a run that ended may have lost cells of this notebook: it ended after the notebook was last read from disk,
 * and this page did not see it end.
 *
 * `ended` in epoch seconds, `loaded` the time of the file as it was read, in epoch milliseconds (null: unknown).
 */
export function endedUnseen(ended: number | null, loaded: number | null, seen: boolean): boolean {
  return !seen && ended !== null && loaded !== null && ended * 1000 > loaded;
}

function lastIndex<T>(items: readonly T[], test: (item: T) => boolean): number {
  for (let at = items.length - 1; at >= 0; at--) {
    if (test(items[at])) {
      return at;
    }
  }
  return -1;
}
