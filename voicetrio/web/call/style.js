/** How the widget looks. A site changes it with custom properties, and with ::part. */

const CSS = `
:host {
  --_accent: var(--voicetrio-accent, light-dark(#0b63ce, #7db4ff));
  --_on-accent: var(--voicetrio-on-accent, light-dark(#fff, #08182c));
  --_background: var(--voicetrio-background, light-dark(#fff, #16191f));
  --_text: var(--voicetrio-text, light-dark(#1c2330, #e8ecf3));
  --_quiet: var(--voicetrio-quiet-text, light-dark(#5b6678, #9aa6b8));
  --_line: var(--voicetrio-line, light-dark(#d9dee7, #333b49));
  --_danger: var(--voicetrio-danger, light-dark(#b3261e, #ff8f86));
  --_radius: var(--voicetrio-radius, 14px);
  color-scheme: light dark;
  display: block;
  box-sizing: border-box;
  min-width: 280px;
  max-width: 30rem;
  font: 400 1rem/1.45 var(--voicetrio-font, system-ui, sans-serif);
  color: var(--_text);
}
:host([hidden]) { display: none; }
:host([theme="light"]) { color-scheme: light; }
:host([theme="dark"]) { color-scheme: dark; }
* { box-sizing: border-box; }
[hidden] { display: none !important; }

.card {
  display: grid;
  gap: 0.75rem;
  padding: 1rem;
  background: var(--_background);
  border: 1px solid var(--_line);
  border-radius: var(--_radius);
}
.head { display: flex; flex-wrap: wrap; align-items: center; gap: 0.5rem 0.75rem; }
.state {
  flex: 1 1 8rem;
  display: flex;
  align-items: center;
  gap: 0.6rem;
  margin: 0;
  font-weight: 600;
  min-height: 2.75rem;
}
.dot { flex: none; width: 0.7rem; height: 0.7rem; border-radius: 50%; background: var(--_quiet); }
.card[data-tone="good"] .dot { background: light-dark(#16803c, #58d68d); }
.card[data-tone="active"] .dot { background: var(--_accent); }
.card[data-tone="warning"] .dot { background: light-dark(#b26a00, #ffc266); }
.card[data-tone="bad"] .dot { background: var(--_danger); }
.card[data-waits] .dot { animation: pulse 1.2s ease-in-out infinite; }
@keyframes pulse { 50% { opacity: 0.3; } }

.buttons { display: flex; flex-wrap: wrap; gap: 0.5rem; }
button {
  min-height: 2.75rem;
  min-width: 2.75rem;
  padding: 0.4rem 1rem;
  font: inherit;
  font-weight: 600;
  color: var(--_text);
  background: transparent;
  border: 1px solid light-dark(#7a8698, #8793a6);
  border-radius: calc(var(--_radius) - 4px);
  cursor: pointer;
}
button:hover { border-color: currentcolor; }
button:focus-visible { outline: 3px solid var(--_accent); outline-offset: 2px; }
.call { color: var(--_on-accent); background: var(--_accent); border-color: var(--_accent); }
.card[data-microphone="muted"] .mute { color: var(--_background); background: var(--_text); border-color: var(--_text); }
button[aria-disabled="true"] { color: var(--_quiet); border-color: var(--_line); cursor: default; }
.hangup { color: var(--_danger); border-color: var(--_danger); }

.meters { display: grid; grid-template-columns: 1fr 1fr; gap: 0.75rem; }
.meter { display: grid; gap: 0.25rem; font-size: 0.8rem; color: var(--_quiet); }
.track { height: 0.4rem; border-radius: 0.2rem; background: var(--_line); overflow: hidden; }
.bar {
  height: 100%;
  background: var(--_accent);
  transform: scaleX(0);
  transform-origin: left;
  transition: transform 80ms linear;
}
:host(:dir(rtl)) .bar { transform-origin: right; }

.lines {
  display: grid;
  align-content: start;
  gap: 0.4rem;
  margin: 0;
  padding: 0;
  list-style: none;
  max-height: 14rem;
  overflow-y: auto;
  overflow-wrap: anywhere;
}
.lines:focus-visible { outline: 3px solid var(--_accent); outline-offset: 2px; }
.line b { font-weight: 600; color: var(--_quiet); }
.line .tentative, .line.partial, .line .unheard { color: var(--_quiet); }
.line .unheard { text-decoration: line-through; text-decoration-thickness: 1px; }
.trouble {
  margin: 0;
  padding: 0.6rem 0.8rem;
  border-radius: calc(var(--_radius) - 4px);
  border: 1px solid var(--_danger);
  color: var(--_danger);
}
.unseen {
  position: absolute;
  width: 1px;
  height: 1px;
  margin: -1px;
  overflow: hidden;
  clip-path: inset(50%);
  white-space: nowrap;
}

@media (prefers-reduced-motion: reduce) {
  .dot { animation: none !important; }
  .bar { transition: none; }
}
@media (forced-colors: active) {
  .dot, .bar { background: Highlight; }
  .track { border: 1px solid CanvasText; }
}
`;

/** @type {CSSStyleSheet | null} */
let sheet = null;

/** One for all widgets of a page. A sheet that is constructed needs no 'unsafe-inline'. */
export function styleSheet() {
  if (sheet === null) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
  }
  return sheet;
}
