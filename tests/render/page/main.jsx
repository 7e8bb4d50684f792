// One dashboard on one page: `window.RENDER` holds the dashboard, Prometheus's answers, and the time range.
import 'uplot/dist/uPlot.min.css';
import React from 'react';
import { createRoot } from 'react-dom/client';
import { ThemeContext, createTheme } from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import { GlobalStyles, PanelChrome, PortalContainer } from '@grafana/ui';
import { framesOf } from './frames.js';
import { inPalette } from './palette.js';
import { Body } from './panels.jsx';

const { board, panels, answers, range, step, theme: mode, head, width, cell, gap } = window.RENDER;
const theme = createTheme({ colors: { mode } });

// For whoever takes the picture: what went wrong, whether all is drawn, and the picture in few colours.
window.FAILED = [];
window.IN_PALETTE = inPalette;

function failed(where, error) {
  window.FAILED.push(`${where}: ${error.stack}`);
}

class Caught extends React.Component {
  state = {};

  static getDerivedStateFromError(error) {
    return { error };
  }

  componentDidCatch(error) {
    failed(this.props.title, error);
  }

  render() {
    return this.state.error ? <pre>{String(this.state.error)}</pre> : this.props.children;
  }
}

function place({ x, y, w, h }) {
  const column = (width - gap) / 24;
  return { left: gap + x * column, top: 64 + y * (cell + gap), width: w * column - gap, height: h * (cell + gap) - gap };
}

function Panel({ panel, frames }) {
  const box = place(panel.gridPos);
  const mode = panel.transparent ? 'transparent' : 'default';
  return (
    <div style={{ position: 'absolute', ...box }}>
      <Caught title={panel.title}>
        <PanelChrome title={panel.title} description={panel.description} displayMode={mode} {...box}>
          {(innerWidth, innerHeight) => (
            <Caught title={panel.title}>
              <Body panel={panel} frames={frames} width={innerWidth} height={innerHeight} range={range} theme={theme} />
            </Caught>
          )}
        </PanelChrome>
      </Caught>
    </div>
  );
}

function Heading({ panel }) {
  const style = { position: 'absolute', ...place(panel.gridPos), fontSize: 16, fontWeight: 500, paddingTop: 6 };
  return <div style={style}>{panel.title}</div>;
}

function Head() {
  const style = { position: 'absolute', left: gap, top: 36, fontSize: 12, color: theme.colors.text.secondary };
  return <div style={style}>{head.join('   ·   ')}</div>;
}

async function draw() {
  await initPluginTranslations('grafana-ui');
  const drawn = await Promise.all(
    panels.map(async (panel) => [panel, panel.type === 'row' ? [] : await framesOf(panel, answers[panel.id] ?? {}, step, theme)])
  );
  createRoot(document.getElementById('root')).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div style={{ position: 'absolute', left: gap, top: 8, fontSize: 20, fontWeight: 500 }}>{board.title}</div>
      <Head />
      {drawn.map(([panel, frames]) =>
        panel.type === 'row' ? <Heading key={panel.id} panel={panel} /> : <Panel key={panel.id} panel={panel} frames={frames} />
      )}
      <PortalContainer />
    </ThemeContext.Provider>
  );
}

// Panels measure themselves when they are first shown, and graphs are drawn in the frame after.
async function settled() {
  await document.fonts.ready;
  await new Promise((resolve) => setTimeout(resolve, 800));
}

draw()
  .catch((error) => failed('page', error))
  .then(settled)
  .then(() => {
    window.DRAWN = true;
  });
