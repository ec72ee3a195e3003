/**
 * Which of the agent's cells are failed attempts that a later one has made good. Pure.
 */
import type { ICellMark } from './mark';

/** A cell of a notebook, as far as its fate is concerned. */
export interface IAttempt {
  id: string;
  mark: ICellMark | null;
  failed: boolean;
  /** The user changed it, so it is theirs now. */
  edited: boolean;
}

/** The run of the cell at `active` if the agent wrote it, else of the last cell that it wrote; null without one. */
export function chosenRun(cells: readonly IAttempt[], active: number): string | null {
  const at = cells[active]?.mark ?? null;
  if (at !== null) {
    return at.run;
  }
  const marks = cells.flatMap(cell => (cell.mark === null ? [] : [cell.mark]));
  const last = marks.pop();
  return last?.run ?? null;
}

/** Ids of the failed, unedited action cells of a run that another action of it follows. */
export function supersededFailures(cells: readonly IAttempt[], run: string): string[] {
  const own = cells.filter(
    ({ mark }) => mark !== null && mark.role === 'action' && mark.run === run
  );
  return own
    .slice(0, -1)
    .filter(cell => cell.failed && !cell.edited)
    .map(cell => cell.id);
}

/** The index of the agent's next cell (`by` 1) or previous one (-1) from `active`; -1 without one. */
export function neighbour(cells: readonly IAttempt[], active: number, by: 1 | -1): number {
  for (let at = active + by; at >= 0 && at < cells.length; at += by) {
    if (cells[at].mark !== null) {
      return at;
    }
  }
  return -1;
}
