/**
 * Puts the answer of a run below its last cell.
 */
import type { Run } from '../protocol';
import type { CodeActSession } from '../session';
import { safeMarkdown } from './markdown';
import { agentMetadata, attempts, insertCell } from './notebook';
import { cellIds, lastOfRun } from './place';

/**
 * Insert the answer of a run from the panel as one Markdown cell; says whether it did.
 *
 * Not for runs of the magic, whose own output shows it, nor for runs without a cell in this notebook; and only once.
 */
export function insertAnswer(session: CodeActSession, run: Run): boolean {
  const source = safeMarkdown(run.answer ?? '').trim();
  if (run.surface !== 'panel' || run.status !== 'done' || source === '') {
    return false;
  }
  const notebook = session.panel.content;
  const cells = attempts(notebook);
  const last = lastOfRun(cells, new Set(cellIds(run)));
  const name = last < 0 ? undefined : (cells[last].mark?.run ?? run.run);
  const there = cells.some(({ mark }) => mark?.role === 'answer' && mark.run === name);
  if (name === undefined || there) {
    return false;
  }
  const facts = {
    run: name,
    ...(run.episode === null ? {} : { episode: run.episode })
  };
  insertCell(notebook, last + 1, {
    type: 'markdown',
    source,
    metadata: { codeact: agentMetadata(facts, 'answer', source) }
  });
  return true;
}
