/**
 * Our own icons; all else comes from JupyterLab.
 */
import { LabIcon } from '@jupyterlab/ui-components';

/** A prompt inside a loop: code goes round until there is an answer. */
const codeactSvg = `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 24 24">
  <g class="jp-icon3 jp-icon-selectable" fill="#616161">
    <path d="M12 3a9 9 0 0 1 8.5 6h-2.15A7 7 0 1 0 19 12h2a9 9 0 1 1-9-9Z"/>
    <path d="M22.4 4.2v6.1h-6.1Z"/>
    <path d="m8.2 8.1 1.3-1.3 5.2 5.2-5.2 5.2-1.3-1.3 3.9-3.9Z"/>
  </g>
</svg>`;

export const codeactIcon = new LabIcon({ name: 'codeact-kernel:codeact', svgstr: codeactSvg });
