/**
 * What a browser remembers of a kernel process across reloads of its pages: cells that were sent, cells that the user
 * deleted, runs whose end a page saw, proposals (as JSON) that the user has not decided about.
 */
const PREFIX = 'codeact-kernel:cells:';
const MAX_BOOTS = 20;
const MAX_ITEMS = 500;

const KINDS = ['sent', 'deleted', 'seen', 'proposed'] as const;

type Kind = (typeof KINDS)[number];

type Remembered = Record<Kind, string[]>;

export class Memory {
  /** `storage` is null where the browser gives none; then nothing outlives the page. */
  constructor(storage: Storage | null) {
    this._storage = storage;
  }

  /** Remember an id of a kernel process (`boot`). */
  add(boot: string, kind: Kind, id: string): void {
    const found = this._load(boot);
    if (found[kind].includes(id)) {
      return;
    }
    found[kind] = [...found[kind], id].slice(-MAX_ITEMS);
    this._save(boot, found);
  }

  /** Forget an id again. */
  remove(boot: string, kind: Kind, id: string): void {
    const found = this._load(boot);
    if (found[kind].includes(id)) {
      found[kind] = found[kind].filter(other => other !== id);
      this._save(boot, found);
    }
  }

  /** Whether an id is remembered. */
  has(boot: string, kind: Kind, id: string): boolean {
    return this._load(boot)[kind].includes(id);
  }

  /** All ids of a kind. */
  all(boot: string, kind: Kind): Set<string> {
    return new Set(this._load(boot)[kind]);
  }

  private _load(boot: string): Remembered {
    let text: string | null = null;
    try {
      text = this._storage?.getItem(PREFIX + boot) ?? null;
    } catch {
      // Storage may be forbidden at any time.
    }
    return parse(text) ?? this._here.get(boot) ?? remembered(() => []);
  }

  private _save(boot: string, found: Remembered): void {
    this._here.set(boot, found);
    try {
      this._storage?.setItem(PREFIX + boot, JSON.stringify({ ...found, at: Date.now() }));
      this._prune();
    } catch {
      // Full or forbidden: the page's own memory has it.
    }
  }

  /** Keep the newest kernel processes only. */
  private _prune(): void {
    const storage = this._storage;
    if (storage === null) {
      return;
    }
    const keys = Array.from({ length: storage.length }, (_, at) => storage.key(at)).filter(
      (key): key is string => key?.startsWith(PREFIX) ?? false
    );
    if (keys.length <= MAX_BOOTS) {
      return;
    }
    const age = (key: string): number =>
      Number((/"at":(\d+)/.exec(storage.getItem(key) ?? '') ?? [])[1] ?? 0);
    for (const key of keys.sort((a, b) => age(a) - age(b)).slice(0, keys.length - MAX_BOOTS)) {
      storage.removeItem(key);
    }
  }

  private readonly _storage: Storage | null;
  private readonly _here = new Map<string, Remembered>();
}

function remembered(of: (kind: Kind) => string[]): Remembered {
  return Object.fromEntries(KINDS.map(kind => [kind, of(kind)])) as Remembered;
}

function parse(text: string | null): Remembered | null {
  if (text === null) {
    return null;
  }
  try {
    const found = JSON.parse(text) as Partial<Record<Kind, unknown>> | null;
    const list = (value: unknown): string[] =>
      Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
    return remembered(kind => list(found?.[kind]));
  } catch {
    return null;
  }
}
