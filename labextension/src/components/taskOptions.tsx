/**
 * What else a task may be given: tools, what the model writes to act, a check of the answer. Folded unless wanted.
 */
import React from 'react';

import type { Conversation } from '../conversation';
import { type ITaskOptions, optionWords } from '../text';

const ACTIONS: Record<ITaskOptions['action'], string> = {
  '': 'as configured',
  code: 'code',
  json: 'calls, as JSON',
  text: 'calls, as text'
};

export function TaskOptions(props: { conversation: Conversation }): React.JSX.Element {
  const { conversation } = props;
  const { options } = conversation;
  return (
    <details className="ca-Options" data-testid="codeact-options">
      <summary className="ca-Ellipsis" title={optionWords(options)}>
        {optionWords(options)}
      </summary>
      <Field
        name="tools"
        label="Tools"
        placeholder="lookup, price"
        hint="Functions of yours that the model is told to call, by name"
        value={options.tools}
        onChange={tools => conversation.setOptions({ tools })}
      />
      <Field
        name="check"
        label="Check"
        placeholder="answer > 0"
        hint="An expression that must hold of `answer`, else the model is told and goes on; for one task"
        value={options.check}
        onChange={check => conversation.setOptions({ check })}
      />
      <label title="What the model writes to act; a conversation keeps the one that it began with">
        <span>Acts in</span>
        <select
          className="ca-Select"
          value={options.action}
          data-testid="codeact-option-action"
          onChange={event =>
            conversation.setOptions({ action: event.target.value as ITaskOptions['action'] })
          }
        >
          {Object.entries(ACTIONS).map(([action, words]) => (
            <option key={action} value={action}>
              {words}
            </option>
          ))}
        </select>
      </label>
    </details>
  );
}

function Field(props: {
  name: string;
  label: string;
  placeholder: string;
  hint: string;
  value: string;
  onChange: (text: string) => void;
}): React.JSX.Element {
  return (
    <label title={props.hint}>
      <span>{props.label}</span>
      <input
        type="text"
        className="ca-Input"
        value={props.value}
        placeholder={props.placeholder}
        spellCheck={false}
        data-testid={`codeact-option-${props.name}`}
        onChange={event => props.onChange(event.target.value)}
      />
    </label>
  );
}
