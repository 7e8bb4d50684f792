// Each type of panel, drawn by the component of @grafana/ui that Grafana's own panel is made of.
import React from 'react';
import { VizOrientation, dateTime, getDisplayValueAlignmentFactors, getFieldDisplayValues, renderMarkdown } from '@grafana/data';
import { BarGauge, BigValue, TimeSeries, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { fieldConfigOf } from './frames.js';
import { Heatmap } from './heatmap.jsx';

export function Body(props) {
  const { panel, frames } = props;
  const Drawn = DRAWN[panel.type];
  if (Drawn === undefined) {
    throw new Error(`no drawing of panels of type ${panel.type}`);
  }
  const rows = frames.some((frame) => frame.length > 0);
  return rows || SPEAKS_FOR_ITSELF.has(panel.type) ? <Drawn {...props} /> : <Empty {...props} />;
}

// In Grafana these panels show the text for no value as they show a value.
const SPEAKS_FOR_ITSELF = new Set(['text', 'stat', 'bargauge']);

function Empty({ panel, height }) {
  const style = { height, display: 'flex', alignItems: 'center', justifyContent: 'center', textAlign: 'center' };
  return <div style={style}>{panel.fieldConfig?.defaults?.noValue ?? 'No data'}</div>;
}

function timesOf(range) {
  const [from, to] = [dateTime(range.from), dateTime(range.to)];
  return { from, to, raw: { from, to } };
}

function Lines({ panel, frames, width, height, range }) {
  const legend = { showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [], ...panel.options?.legend };
  return (
    <TimeSeries
      frames={frames}
      structureRev={1}
      width={width}
      height={height}
      timeRange={timesOf(range)}
      timeZone="utc"
      legend={legend}
      options={panel.options ?? {}}
    />
  );
}

function valuesOf({ panel, frames, theme }, sparkline) {
  return getFieldDisplayValues({
    data: frames,
    reduceOptions: { calcs: ['lastNotNull'], ...panel.options?.reduceOptions },
    fieldConfig: fieldConfigOf(panel),
    replaceVariables: (text) => text,
    sparkline,
    theme,
    timeZone: 'utc',
  });
}

function Numbers(props) {
  const { panel, width, height, range, theme } = props;
  const options = panel.options ?? {};
  const values = valuesOf(props, options.graphMode === 'area');
  const timeRange = timesOf(range);
  return (
    <VizRepeater
      getValues={() => values}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={({ value, width: wide, height: tall, alignmentFactors }) => (
        <BigValue
          value={value.display}
          count={values.length}
          sparkline={value.sparkline && { ...value.sparkline, timeRange }}
          colorMode={options.colorMode ?? 'value'}
          graphMode={options.graphMode ?? 'area'}
          justifyMode={options.justifyMode ?? 'auto'}
          textMode={options.textMode ?? 'auto'}
          alignmentFactors={alignmentFactors}
          theme={theme}
          width={wide}
          height={tall}
        />
      )}
      width={width}
      height={height}
      source={values}
      autoGrid
      renderCounter={0}
      orientation={options.orientation || VizOrientation.Auto}
    />
  );
}

function Bars(props) {
  const { panel, width, height, theme } = props;
  const options = panel.options ?? {};
  const values = valuesOf(props, false);
  return (
    <VizRepeater
      getValues={() => values}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={({ value, width: wide, height: tall, orientation, alignmentFactors }) => (
        <BarGauge
          value={value.display}
          field={value.field}
          display={value.view?.getFieldDisplayProcessor(value.colIndex)}
          orientation={orientation}
          displayMode={options.displayMode ?? 'basic'}
          valueDisplayMode={options.valueMode ?? 'color'}
          namePlacement={options.namePlacement ?? 'auto'}
          showUnfilled={options.showUnfilled ?? true}
          alignmentFactors={alignmentFactors}
          itemSpacing={10}
          theme={theme}
          width={wide}
          height={tall}
        />
      )}
      width={width}
      height={height}
      minVizHeight={16}
      maxVizHeight={300}
      itemSpacing={10}
      source={values}
      renderCounter={0}
      orientation={options.orientation || VizOrientation.Horizontal}
    />
  );
}

function Table({ panel, frames, width, height }) {
  return (
    <TableNG
      data={frames[0]}
      width={width}
      height={height}
      sortBy={panel.options?.sortBy}
      initialSortBy={panel.options?.sortBy}
      enableVirtualization={false}
      fieldConfig={panel.fieldConfig}
      structureRev={1}
    />
  );
}

function Text({ panel, height }) {
  const html = { __html: renderMarkdown(panel.options?.content ?? '') };
  return <div className="markdown-html" style={{ height, overflow: 'hidden' }} dangerouslySetInnerHTML={html} />;
}

const DRAWN = {
  timeseries: Lines,
  stat: Numbers,
  bargauge: Bars,
  table: Table,
  heatmap: ({ panel, ...props }) => <Heatmap options={panel.options ?? {}} {...props} />,
  text: Text,
};
