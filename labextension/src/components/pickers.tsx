/**
 * What may run without asking, and which model writes.
 */
import React from 'react';

import type { Conversation } from '../conversation';
import type { Mode } from '../protocol';
import { MODES, modeWords } from '../text';

const MODE_HINTS: Record<Mode, string> = {
  plan: 'Plan only: the agent says what it would do, nothing runs',
  ask: 'Ask each time: every cell waits for you',
  'ask-if-risky':
    'Ask if risky: cells that delete, overwrite, install, use the network and the like wait for you',
  auto: 'Never ask: every cell runs at once; forgotten when the page is reloaded'
};

export function ModePicker(props: { conversation: Conversation }): React.JSX.Element {
  const { conversation } = props;
  return (
    <select
      className="ca-Select"
      value={conversation.mode}
      title={MODE_HINTS[conversation.mode]}
      aria-label="What may run without asking"
      data-testid="codeact-mode"
      onChange={event => conversation.pickMode(event.target.value as Mode)}
    >
      {MODES.map(mode => (
        <option key={mode} value={mode} title={MODE_HINTS[mode]}>
          {modeWords(mode)}
        </option>
      ))}
    </select>
  );
}

const OTHER = '\u0000other';

export function ModelPicker(props: { conversation: Conversation }): React.JSX.Element {
  const { conversation } = props;
  const [typing, setTyping] = React.useState(false);
  const { model, status } = conversation;
  if (typing) {
    return <ModelField conversation={conversation} onDone={() => setTyping(false)} />;
  }
  const installed = status?.installed ?? [];
  const known = installed.some(item => item.name === model);
  return (
    <select
      className="ca-Select ca-mod-model"
      value={model}
      title={status?.sentence ?? `Model: ${model === '' ? 'as the kernel is configured' : model}`}
      aria-label="Model"
      data-testid="codeact-model"
      onChange={event => {
        if (event.target.value === OTHER) {
          setTyping(true);
        } else {
          void conversation.pickModel(event.target.value);
        }
      }}
    >
      {!known && <option value={model}>{model === '' ? 'model: as configured' : model}</option>}
      {installed.map(item => (
        <option key={item.name} value={item.name}>
          {item.here ? item.name : `${item.name} (not here yet)`}
        </option>
      ))}
      <option value={OTHER}>Other…</option>
    </select>
  );
}

/** Free text: any name that the kernel's model selection knows. */
function ModelField(props: { conversation: Conversation; onDone: () => void }): React.JSX.Element {
  const { conversation, onDone } = props;
  const [name, setName] = React.useState('');
  const done = React.useRef(false);
  const finish = (): void => {
    if (!done.current && name.trim() !== '') {
      done.current = true; // leaving the field after Enter is no second pick
      void conversation.pickModel(name.trim());
    }
    onDone();
  };
  return (
    <input
      type="text"
      className="ca-Input ca-mod-model"
      autoFocus
      value={name}
      placeholder="name of a model, then Enter"
      aria-label="Name of a model"
      data-testid="codeact-model-other"
      onChange={event => setName(event.target.value)}
      onBlur={finish}
      onKeyDown={event => {
        if (event.key === 'Enter') {
          finish();
        } else if (event.key === 'Escape') {
          event.stopPropagation();
          onDone();
        }
      }}
    />
  );
}
