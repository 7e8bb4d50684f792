// One dashboard on one page: `window.RENDER` holds the dashboard, Prometheus's answers, and the time range.
import 'uplot/dist/uPlot.min.css';
import React from 'react';
import { createRoot } from 'react-dom/client';
import { ThemeContext, createTheme } from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import { GlobalStyles, PanelChrome, PortalContainer } from '@grafana/ui';
import { framesOf } from './frames.js';
import { Body } from './panels.jsx';

const { board, panels, answers, range, theme: mode, shown, width, cell, gap } = window.RENDER;
const theme = createTheme({ colors: { mode } });

class Caught extends React.Component {
  state = {};

  static getDerivedStateFromError(error) {
    return { error };
  }

  componentDidCatch(error) {
    console.error(`RENDER-ERROR ${this.props.title}: ${error.stack}`);
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

function Choices() {
  const style = { position: 'absolute', left: gap, top: 36, fontSize: 12, color: theme.colors.text.secondary };
  return <div style={style}>{shown.map(([label, value]) => `${label}: ${value}`).join('   ·   ')}</div>;
}

async function draw() {
  await initPluginTranslations('grafana-ui');
  const drawn = await Promise.all(
    panels.map(async (panel) => [panel, panel.type === 'row' ? [] : await framesOf(panel, answers[panel.id] ?? {}, theme)])
  );
  createRoot(document.getElementById('root')).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div style={{ position: 'absolute', left: gap, top: 8, fontSize: 20, fontWeight: 500 }}>{board.title}</div>
      <Choices />
      {drawn.map(([panel, frames]) =>
        panel.type === 'row' ? <Heading key={panel.id} panel={panel} /> : <Panel key={panel.id} panel={panel} frames={frames} />
      )}
      <PortalContainer />
    </ThemeContext.Provider>
  );
}

draw().catch((error) => console.error(`RENDER-ERROR page: ${error.stack}`));
