/**
 * How much of the notebook an error takes. Pure.
 */
import type * as nbformat from '@jupyterlab/nbformat';

/** As many lines as the scrolled output of a cell shows, about. */
const MOST_LINES = 16;

/** Whether outputs hold a traceback that is longer than what JupyterLab shows of scrolled output. */
export function hasLongTraceback(outputs: readonly nbformat.IOutput[]): boolean {
  return outputs.some(
    output =>
      output.output_type === 'error' &&
      (output.traceback as string[]).join('\n').split('\n').length > MOST_LINES
  );
}
