/**
 * Which notebooks of this page share a channel: those on the same kernel.
 */
import type { Kernel } from '@jupyterlab/services';

import { KernelChannel } from './channel';

interface IEntry {
  channel: KernelChannel;
  users: number;
  /** A connection that we opened ourselves, because the notebook's own carries no comms. */
  own: Kernel.IKernelConnection | null;
}

export class ChannelPool {
  constructor(kernels: Kernel.IManager) {
    this._kernels = kernels;
  }

  /** The channel of a kernel; each call wants one `release`. */
  acquire(kernel: Kernel.IKernelConnection): KernelChannel {
    const known = this._entries.get(kernel.id);
    if (known !== undefined && !known.channel.kernel.isDisposed) {
      known.users += 1;
      return known.channel;
    }
    known?.channel.dispose();
    // Jupyter lets one connection per page carry a kernel's comms; the others must not open any.
    const own = kernel.handleComms ? null : this._kernels.connectTo({ model: kernel.model });
    const entry = { channel: new KernelChannel(own ?? kernel), users: 1, own };
    this._entries.set(kernel.id, entry);
    return entry.channel;
  }

  /** Give a channel back; the last user closes it. */
  release(channel: KernelChannel): void {
    for (const [id, entry] of this._entries) {
      if (entry.channel === channel) {
        entry.users -= 1;
        if (entry.users === 0 || channel.kernel.isDisposed) {
          this._entries.delete(id);
          channel.dispose();
          entry.own?.dispose();
        }
      }
    }
  }

  private readonly _kernels: Kernel.IManager;
  private readonly _entries = new Map<string, IEntry>();
}
