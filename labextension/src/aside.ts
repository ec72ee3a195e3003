/**
 * A way to the agent past a kernel that is busy: a page that was reloaded while a cell computes gets no answer to its
 * kernel_info request, and JupyterLab makes no subshell for its comms before that. Control messages are answered.
 */
import { type Kernel, KernelMessage } from '@jupyterlab/services';
import type { JSONObject } from '@lumino/coreutils';

const ANSWER_MS = 4_000;

type CommType = 'comm_open' | 'comm_msg' | 'comm_close';

/** Ask the kernel for a subshell; null when it does not answer in time or has none. */
export async function createSubshell(kernel: Kernel.IKernelConnection): Promise<string | null> {
  const request = KernelMessage.createMessage<KernelMessage.ICreateSubshellRequestMsg>({
    msgType: 'create_subshell_request',
    channel: 'control',
    username: kernel.username,
    session: kernel.clientId,
    content: {}
  });
  try {
    const future = kernel.sendControlMessage(request, true);
    const late = new Promise<null>(resolve => window.setTimeout(() => resolve(null), ANSWER_MS));
    const reply = await Promise.race([future.done, late]);
    const content = reply?.content as { status?: string; subshell_id?: string } | undefined;
    return content?.status === 'ok' ? (content.subshell_id ?? null) : null;
  } catch {
    return null; // the kernel died or was restarted meanwhile
  }
}

/** End a subshell. */
export function deleteSubshell(kernel: Kernel.IKernelConnection, subshell: string): void {
  if (kernel.isDisposed || kernel.status === 'dead') {
    return;
  }
  const request = KernelMessage.createMessage<KernelMessage.IDeleteSubshellRequestMsg>({
    msgType: 'delete_subshell_request',
    channel: 'control',
    username: kernel.username,
    session: kernel.clientId,
    content: { subshell_id: subshell }
  });
  kernel.sendControlMessage(request, false);
}

/** Send a message of a comm to a subshell. */
export function postAside(
  kernel: Kernel.IKernelConnection,
  subshell: string,
  msgType: CommType,
  content: JSONObject
): void {
  const message = KernelMessage.createMessage({
    msgType,
    channel: 'shell',
    username: kernel.username,
    session: kernel.clientId,
    subshellId: subshell,
    content
  } as unknown as KernelMessage.IOptions<KernelMessage.ICommMsgMsg<'shell'>>);
  kernel.sendShellMessage(message, false, true);
}
