/**
 * Small hooks: signals, a clock, a scroll area that stays at its end.
 */
import type { ISignal } from '@lumino/signaling';
import React from 'react';

/** Render again whenever the signal is emitted. */
export function useSignal<S, A>(signal: ISignal<S, A> | null | undefined): void {
  const [, again] = React.useReducer((n: number) => n + 1, 0);
  React.useEffect(() => {
    if (signal === null || signal === undefined) {
      return undefined;
    }
    const slot = (): void => again();
    signal.connect(slot);
    again(); // what was emitted between the first rendering and this effect
    return () => {
      signal.disconnect(slot);
    };
  }, [signal]);
}

/** The time in epoch ms, ticking twice a second while `on`. */
export function useClock(on: boolean): number {
  const [now, setNow] = React.useState(() => Date.now());
  React.useEffect(() => {
    if (!on) {
      return undefined;
    }
    setNow(Date.now());
    const timer = window.setInterval(() => setNow(Date.now()), 500);
    return () => window.clearInterval(timer);
  }, [on]);
  return now;
}

/** Since when (epoch ms) `key` has been what it is. */
export function useSince(key: string): number {
  const since = React.useRef({ key, at: Date.now() });
  if (since.current.key !== key) {
    since.current = { key, at: Date.now() };
  }
  return since.current.at;
}

const NEAR_END_PX = 48;

/** Keep a scroll area at its end while the reader is there; `jump` brings it back. */
export function useStickyEnd(watch: unknown): {
  ref: React.RefObject<HTMLDivElement>;
  away: boolean;
  onScroll: () => void;
  jump: () => void;
} {
  const ref = React.useRef<HTMLDivElement>(null);
  const stuck = React.useRef(true);
  const top = React.useRef(0);
  const [away, setAway] = React.useState(false);
  const jump = React.useCallback(() => {
    stuck.current = true;
    setAway(false);
    ref.current?.scrollTo({ top: ref.current.scrollHeight });
  }, []);
  const onScroll = React.useCallback(() => {
    const area = ref.current;
    if (area !== null) {
      const near = area.scrollHeight - area.scrollTop - area.clientHeight < NEAR_END_PX;
      // Only the reader scrolls up: what grows leaves the place where it is.
      stuck.current = near || (stuck.current && area.scrollTop >= top.current);
      top.current = area.scrollTop;
      setAway(!stuck.current);
    }
  }, []);
  React.useLayoutEffect(() => {
    if (stuck.current) {
      ref.current?.scrollTo({ top: ref.current.scrollHeight });
    }
  }, [watch]);
  React.useEffect(() => {
    const content = ref.current?.firstElementChild;
    if (content === null || content === undefined) {
      return undefined;
    }
    // Markdown and figures grow after they were put in.
    const observer = new ResizeObserver(() => {
      if (stuck.current) {
        ref.current?.scrollTo({ top: ref.current.scrollHeight });
      }
    });
    observer.observe(content);
    return () => observer.disconnect();
  }, []);
  return { ref, away, onScroll, jump };
}
