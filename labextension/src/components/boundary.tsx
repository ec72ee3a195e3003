/**
 * Keeps a fault in one part of the panel from taking the rest with it.
 */
import React from 'react';

import { sentenceOf } from '../text';
import { LinkButton } from './buttons';

interface IBoundaryState {
  sentence: string | null;
}

export class Boundary extends React.Component<{ children: React.ReactNode }, IBoundaryState> {
  override state: IBoundaryState = { sentence: null };

  static getDerivedStateFromError(error: unknown): IBoundaryState {
    return { sentence: sentenceOf(error) };
  }

  override render(): React.ReactNode {
    if (this.state.sentence === null) {
      return this.props.children;
    }
    return (
      <p className="ca-Note" role="alert" data-testid="codeact-fault">
        This part of the panel failed: {this.state.sentence}{' '}
        <LinkButton testid="codeact-fault-retry" onClick={() => this.setState({ sentence: null })}>
          Try again
        </LinkButton>
      </p>
    );
  }
}
