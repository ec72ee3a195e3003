/**
 * What a browser tab remembers over a reload, for one notebook: who it is to the kernel, and which kernel it talked to.
 */
import { UUID } from '@lumino/coreutils';

interface ITabMemory {
  client: string;
  kernel: string;
}

const PREFIX = 'codeact-kernel:tab:';

/** The id of this tab for a notebook. A tab that was duplicated is another one, though it inherits the memory. */
export function clientOf(path: string): string {
  return remembered(path)?.client ?? UUID.uuid4();
}

/** Whether this tab talked to the agent of this kernel before it was reloaded. */
export function knewKernel(path: string, kernel: string): boolean {
  return remembered(path)?.kernel === kernel;
}

/** Remember that this tab talks to the agent of a kernel. */
export function remember(path: string, client: string, kernel: string): void {
  try {
    window.sessionStorage.setItem(PREFIX + path, JSON.stringify({ client, kernel }));
  } catch {
    // without storage a reload is a new page, that is all
  }
}

function remembered(path: string): ITabMemory | null {
  const [navigation] = performance.getEntriesByType('navigation');
  if ((navigation as PerformanceNavigationTiming | undefined)?.type !== 'reload') {
    return null;
  }
  try {
    return JSON.parse(window.sessionStorage.getItem(PREFIX + path) ?? 'null') as ITabMemory | null;
  } catch {
    return null;
  }
}
