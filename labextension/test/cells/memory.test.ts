import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Memory } from '../../src/cells/memory';

/** What a browser's storage does, in memory. */
class Store implements Storage {
  [name: string]: unknown;
  readonly items = new Map<string, string>();
  get length(): number {
    return this.items.size;
  }
  clear(): void {
    this.items.clear();
  }
  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }
  key(index: number): string | null {
    return [...this.items.keys()][index] ?? null;
  }
  removeItem(key: string): void {
    this.items.delete(key);
  }
  setItem(key: string, value: string): void {
    this.items.set(key, value);
  }
}

describe('what a browser remembers', () => {
  it('outlives a page, per kernel process and kind', () => {
    const store = new Store();
    new Memory(store).add('boot', 'deleted', 'a');
    const later = new Memory(store);
    assert.equal(later.has('boot', 'deleted', 'a'), true);
    assert.equal(later.has('boot', 'sent', 'a'), false);
    assert.equal(later.has('other', 'deleted', 'a'), false);
    assert.deepEqual([...later.all('boot', 'deleted')], ['a']);
  });

  it('is forgotten on demand', () => {
    const memory = new Memory(new Store());
    memory.add('boot', 'deleted', 'a');
    memory.remove('boot', 'deleted', 'a');
    assert.equal(memory.has('boot', 'deleted', 'a'), false);
  });

  it('lasts as long as the page where nothing can be stored', () => {
    const full = new Store();
    full.setItem = () => {
      throw new Error('QuotaExceededError');
    };
    for (const memory of [new Memory(null), new Memory(full)]) {
      memory.add('boot', 'seen', 'r');
      assert.equal(memory.has('boot', 'seen', 'r'), true);
    }
  });

  it('is bounded, in kernels and in what it knows of each', () => {
    const store = new Store();
    const memory = new Memory(store);
    for (let boot = 0; boot < 30; boot++) {
      memory.add(`boot-${boot}`, 'seen', 'r');
    }
    assert.ok(store.length <= 20);
    for (let id = 0; id < 600; id++) {
      memory.add('boot', 'sent', `cell-${id}`);
    }
    assert.equal(memory.all('boot', 'sent').size, 500);
    assert.equal(memory.has('boot', 'sent', 'cell-599'), true);
  });

  it('survives what somebody else wrote there', () => {
    const store = new Store();
    for (const text of ['', 'null', '[]', '{"sent":1}', '{"sent":[1,"a"]}']) {
      store.setItem('codeact-kernel:cells:boot', text);
      assert.equal(new Memory(store).has('boot', 'sent', 'b'), false);
    }
  });
});
