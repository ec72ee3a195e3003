/**
 * What was asked of a kernel and is not answered yet.
 */
import { UUID } from '@lumino/coreutils';

import type { FrontEndMessage, ReplyMessage } from './protocol';

const TIMEOUT_MS = 10_000;

/** Omit over each member of a union. */
export type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** A message with an id, before it gets one. */
export type Request = Without<Extract<FrontEndMessage, { id: string }>, 'v' | 'id'>;

interface IPending {
  resolve: (reply: ReplyMessage) => void;
  reject: (reason: Error) => void;
  timer: number;
}

export class Requests {
  /** Have a request posted with a new id; rejects with a sentence after `timeout` ms, or when the kernel says no. */
  add<R extends ReplyMessage>(post: (id: string) => void, timeout = TIMEOUT_MS): Promise<R> {
    const id = UUID.uuid4();
    return new Promise<R>((resolve, reject) => {
      const timer = window.setTimeout(() => {
        this._pending.delete(id);
        reject(new Error(`The kernel did not answer within ${timeout / 1000} seconds.`));
      }, timeout);
      this._pending.set(id, { resolve: reply => resolve(reply as R), reject, timer });
      post(id);
    });
  }

  /** Take in an answer; one that nobody waits for any more is dropped. */
  settle(message: ReplyMessage): void {
    const pending = this._pending.get(message.re);
    if (pending === undefined) {
      return;
    }
    this._pending.delete(message.re);
    window.clearTimeout(pending.timer);
    if (message.type === 'error') {
      pending.reject(new Error(message.sentence));
    } else {
      pending.resolve(message);
    }
  }

  /** No answer will come to any of them. */
  rejectAll(sentence: string): void {
    for (const pending of this._pending.values()) {
      window.clearTimeout(pending.timer);
      pending.reject(new Error(sentence));
    }
    this._pending.clear();
  }

  private readonly _pending = new Map<string, IPending>();
}
