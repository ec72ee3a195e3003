/**
 * What components need of JupyterLab, handed down once.
 */
import type { IEditorServices } from '@jupyterlab/codeeditor';
import type { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import React from 'react';

import type { CommandRegistry } from '@lumino/commands';
import type { CodeActSession } from '../session';

export interface IPanelServices {
  commands: CommandRegistry;
  rendermime: IRenderMimeRegistry;
  languages: IEditorLanguageRegistry;
  editors: IEditorServices;
  /** Open a saved episode; `path` is relative to the kernel's working folder. */
  openEpisode(session: CodeActSession, path: string, known?: string): Promise<void>;
}

const Services = React.createContext<IPanelServices | null>(null);

export const ServicesProvider = Services.Provider;

/** The services of the panel around a component. */
export function useServices(): IPanelServices {
  const services = React.useContext(Services);
  if (services === null) {
    throw new Error('A part of the CodeAct panel stands outside of it.');
  }
  return services;
}
