/**
 * One open comm, and the shell of the kernel that its messages go to.
 */
import type { Kernel } from '@jupyterlab/services';
import type { JSONObject } from '@lumino/coreutils';

import { createSubshell, deleteSubshell, postAside } from './aside';
import type { KernelEvent, ReplyMessage } from './protocol';

export const COMM_TARGET = 'codeact_kernel';

const SUBSHELL_TIMEOUT_MS = 1_500;
const PATIENCE_MS = 1_000;

export interface IWireHandlers {
  onMessage: (wire: Wire, message: KernelEvent | ReplyMessage) => void;
  /** The kernel closed the comm. */
  onClosed: (wire: Wire) => void;
}

export class Wire {
  /** `subshell`: one of our own that messages go to, or null where JupyterLab finds the way. */
  constructor(
    kernel: Kernel.IKernelConnection,
    comm: Kernel.IComm,
    subshell: string | null,
    handlers: IWireHandlers
  ) {
    this._kernel = kernel;
    this._comm = comm;
    this._subshell = subshell;
    comm.onMsg = message => {
      // Nothing is awaited here: the kernel connection handles no other message meanwhile.
      handlers.onMessage(this, message.content.data as unknown as KernelEvent | ReplyMessage);
    };
    comm.onClose = () => {
      this._end();
      handlers.onClosed(this);
    };
  }

  get isOpen(): boolean {
    return !this._ended && !this._comm.isDisposed && !this._kernel.isDisposed;
  }

  /** Wait until messages go past the kernel's main shell, where it has subshells; never longer than 1.5 s. */
  async ready(): Promise<void> {
    if (this._subshell !== null || !this._kernel.supportsSubshells) {
      return;
    }
    // Public on the class since Lab 4.5, not yet on its interface.
    const { subshellStarted } = this._comm as { subshellStarted?: Promise<void> };
    const started = subshellStarted?.catch(() => undefined);
    const late = new Promise<void>(resolve => window.setTimeout(resolve, SUBSHELL_TIMEOUT_MS));
    await Promise.race([started, late]);
  }

  /** Open the comm from our side. */
  open(): void {
    const { commId, targetName } = this._comm;
    if (this._subshell === null) {
      this._comm.open({});
    } else {
      this._aside('comm_open', { comm_id: commId, target_name: targetName, data: {} });
    }
  }

  /** Send a message; dropped when the comm is closed. */
  post(message: JSONObject): void {
    const data = { v: 1, ...message };
    if (!this.isOpen) {
      return;
    }
    if (this._subshell === null) {
      this._comm.send(data, undefined, undefined, true);
    } else {
      this._aside('comm_msg', { comm_id: this._comm.commId, data });
    }
  }

  /** Close the comm from our side. */
  close(): void {
    if (!this.isOpen) {
      return;
    }
    this._comm.onClose = () => undefined;
    if (this._subshell !== null) {
      this._aside('comm_close', { comm_id: this._comm.commId, data: {} });
    }
    this._end();
    this._comm.close();
  }

  private _aside(type: 'comm_open' | 'comm_msg' | 'comm_close', content: JSONObject): void {
    if (this._subshell !== null) {
      postAside(this._kernel, this._subshell, type, content);
    }
  }

  private _end(): void {
    this._ended = true;
    if (this._subshell !== null) {
      deleteSubshell(this._kernel, this._subshell);
      this._subshell = null;
    }
  }

  private readonly _kernel: Kernel.IKernelConnection;
  private readonly _comm: Kernel.IComm;
  private _subshell: string | null;
  private _ended = false;
}

/**
 * Wait until the kernel can be talked to; the subshell of our own to use, or null where JupyterLab finds the way.
 *
 * With `aside`, a kernel that is busy is not waited for.
 */
export async function findWay(
  kernel: Kernel.IKernelConnection,
  aside: boolean
): Promise<string | null> {
  const usual = kernel.info.then(() => null);
  if (!aside) {
    return usual;
  }
  let late = false;
  const around = new Promise<void>(resolve => window.setTimeout(resolve, PATIENCE_MS)).then(
    async () => {
      const subshell = late || kernel.isDisposed ? null : await createSubshell(kernel);
      if (late && subshell !== null) {
        deleteSubshell(kernel, subshell);
      }
      return subshell ?? usual;
    }
  );
  const way = await Promise.race([usual, around]);
  late = true;
  return way;
}
