/**
 * What waits for a person: a cell that may run or not, or a question of the model's.
 */
import React from 'react';

import type { Conversation } from '../conversation';
import type { Question } from '../protocol';
import { ApprovalCard } from './approvalCard';
import { PushButton } from './buttons';

interface ICardProps {
  conversation: Conversation;
  question: Question;
}

export function QuestionCard(props: ICardProps): React.JSX.Element {
  if (props.question.text === '') {
    return <ApprovalCard {...props} />;
  }
  return props.question.choices.length > 0 ? <ChoiceCard {...props} /> : <ReplyCard {...props} />;
}

/** Whether to wait for the cell that runs. */
function ChoiceCard({ conversation, question }: ICardProps): React.JSX.Element {
  return (
    <div
      className="ca-Approval ca-Reject"
      role="group"
      aria-label="A cell takes long"
      data-testid="codeact-question"
    >
      <p role="alert" className="ca-Question">
        {question.text}
      </p>
      <div className="ca-Buttons">
        {question.choices.map(choice => (
          <PushButton
            key={choice}
            testid={`codeact-choice-${choice.toLowerCase()}`}
            onClick={() => conversation.decide(question, { decision: 'reply', reason: choice })}
          >
            {choice}
          </PushButton>
        ))}
      </div>
    </div>
  );
}

function ReplyCard(props: ICardProps): React.JSX.Element {
  const { conversation, question } = props;
  const [reply, setReply] = React.useState('');
  const say = (reason: string): void =>
    conversation.decide(question, { decision: 'reply', reason });
  return (
    <form
      className="ca-Approval ca-Reject"
      aria-label="The model asks you"
      data-testid="codeact-question"
      onSubmit={event => {
        event.preventDefault();
        say(reply.trim());
      }}
    >
      <p role="alert" className="ca-Question">
        {question.text}
      </p>
      <input
        type="text"
        className="ca-Input"
        autoFocus
        value={reply}
        placeholder="Your answer"
        aria-label="Your answer to the model"
        data-testid="codeact-reply"
        onChange={event => setReply(event.target.value)}
      />
      <div className="ca-Buttons">
        <button
          type="submit"
          className="ca-Button ca-mod-primary"
          disabled={reply.trim() === ''}
          data-testid="codeact-reply-send"
        >
          Answer
        </button>
        <PushButton
          testid="codeact-reply-skip"
          title="It goes on by itself and says what it took for granted"
          onClick={() => say('')}
        >
          Let it decide
        </PushButton>
      </div>
    </form>
  );
}
