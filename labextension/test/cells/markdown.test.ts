import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { safeMarkdown } from '../../src/cells/markdown';

// The same texts give the same in codeact_kernel/markdown.py.
const CASES: [string, string][] = [
  ['plain', 'plain'],
  ['a < b and ![x](http://e/)', 'a &lt; b and !\\[x](http://e/)'],
  ['`a < b` and ![x', '`a < b` and !\\[x'],
  ['```python\na < b\n```\n<img src=x>', '```python\na < b\n```\n&lt;img src=x>'],
  ['~~~\n<b>\n~~~~', '~~~\n<b>\n~~~~'],
  ['- ```\n<img>\n```', '- ```\n&lt;img>\n```'],
  ['`a\n<img>`', '`a\n&lt;img>`'],
  ['\\`<img>`', '\\`&lt;img>`'],
  ['one\r\n<b>', 'one\n&lt;b>'],
  ['[x]: y\n```\n<b>\n```', '[x]: y\n```\n&lt;b>\n```']
];

describe('model text as Markdown', () => {
  it('holds no HTML and no image outside code', () => {
    for (const [text, expected] of CASES) {
      assert.equal(safeMarkdown(text), expected);
    }
  });
});
