/**
 * Which connections carry the channels of this page: notebooks on the same kernel share one.
 */
import { type Kernel, KernelMessage } from '@jupyterlab/services';

import { KernelChannel } from './channel';
import type { IKnown } from './model';
import { COMM_TARGET } from './wire';

/** Comms that kernels open to front ends; a connection that does not know them would close them. */
const OTHERS_TARGETS = ['jupyter.widget', 'jupyter.widget.control'];

interface ILink {
  kernel: Kernel.IKernelConnection;
  channels: Set<KernelChannel>;
  listen: (kernel: Kernel.IKernelConnection, message: KernelMessage.IIOPubMessage) => void;
  /** Whether we opened the connection ourselves, because the notebook's own carries no comms. */
  own: boolean;
}

export class ChannelPool {
  constructor(kernels: Kernel.IManager) {
    this._kernels = kernels;
  }

  /** A new channel to a kernel, which goes on from `former`; it wants one `release`. */
  acquire(kernel: Kernel.IKernelConnection, former: IKnown): KernelChannel {
    const known = this._links.get(kernel.id);
    const link = known !== undefined && !known.kernel.isDisposed ? known : this._link(kernel);
    const channel = new KernelChannel(link.kernel, former);
    link.channels.add(channel);
    return channel;
  }

  /** Close a channel. */
  release(channel: KernelChannel): void {
    channel.dispose();
    for (const [id, link] of this._links) {
      link.channels.delete(channel);
      if (link.channels.size === 0) {
        this._links.delete(id);
        this._unlink(link);
      }
    }
  }

  private _link(kernel: Kernel.IKernelConnection): ILink {
    // Jupyter lets one connection of a page carry a kernel's comms; on the others none can be opened.
    const own = !kernel.handleComms;
    const carrier = own
      ? this._kernels.connectTo({ model: kernel.model, handleComms: true })
      : kernel;
    const channels = new Set<KernelChannel>();
    const listen: ILink['listen'] = (_, message) => {
      if (isHail(message)) {
        channels.forEach(channel => void channel.open());
      }
    };
    carrier.iopubMessage.connect(listen);
    if (own) {
      for (const target of OTHERS_TARGETS) {
        carrier.registerCommTarget(target, () => undefined);
      }
    }
    const link = { kernel: carrier, channels, listen, own };
    this._links.set(kernel.id, link);
    return link;
  }

  private _unlink(link: ILink): void {
    if (link.kernel.isDisposed) {
      return;
    }
    link.kernel.iopubMessage.disconnect(link.listen);
    if (link.own) {
      link.kernel.dispose();
    }
  }

  private readonly _kernels: Kernel.IManager;
  private readonly _links = new Map<string, ILink>();
}

/**
 * Whether the kernel says that it has an agent now: with a message of a comm that nobody opened, so that pages without
 * this panel stay quiet. Every page of the kernel hears it, and each notebook opens a comm of its own.
 */
function isHail(message: KernelMessage.IIOPubMessage): boolean {
  return KernelMessage.isCommMsgMsg(message) && message.content.comm_id === COMM_TARGET;
}
