// From Prometheus's answers to Grafana's data frames, as its Prometheus data source makes them.
import {
  FieldConfigOptionsRegistry,
  FieldType,
  applyFieldOverrides,
  cacheFieldDisplayNames,
  standardTransformers,
  standardTransformersRegistry,
  toDataFrame,
  transformDataFrame,
} from '@grafana/data';
import { firstValueFrom } from 'rxjs';

// Some are exported under two names.
standardTransformersRegistry.setInit(() =>
  [...new Map(Object.values(standardTransformers).map((one) => [one.id, one])).values()].map((transformation) => ({
    id: transformation.id,
    name: transformation.name,
    transformation: async () => transformation,
    editor: () => null,
  }))
);

export async function framesOf(panel, answers, step, theme) {
  const targets = panel.targets ?? [];
  const several = targets.length > 1;
  let frames = targets.flatMap((target) => {
    const series = answers[target.refId] ?? [];
    if (target.format === 'table') {
      return series.length ? [tableOf(target, series, several)] : [];
    }
    return target.format === 'heatmap' ? bucketsOf(target, series, step) : series.map((one) => seriesOf(target, one, step));
  });
  if (panel.transformations?.length) {
    const replaced = { interpolate: (text) => text };
    frames = await firstValueFrom(transformDataFrame(panel.transformations, frames, replaced));
  }
  const fieldConfig = fieldConfigOf(panel);
  const finished = applyFieldOverrides({
    data: frames,
    fieldConfig,
    fieldConfigRegistry: registryFor(fieldConfig),
    replaceVariables: (text) => text,
    theme,
    timeZone: 'utc',
  });
  cacheFieldDisplayNames(finished);
  return finished;
}

// What the panel's plugin takes where the panel says nothing.
export function fieldConfigOf(panel) {
  const mode = panel.type === 'timeseries' ? 'palette-classic' : 'thresholds';
  const { defaults = {}, overrides = [] } = panel.fieldConfig ?? {};
  return { defaults: { color: { mode }, ...defaults }, overrides };
}

function seriesOf(target, series, step) {
  const name = legendOf(target, series.metric);
  return toDataFrame({
    refId: target.refId,
    name,
    fields: [
      { name: 'Time', type: FieldType.time, config: { interval: step }, values: series.values.map(([time]) => time * 1000) },
      {
        name: 'Value',
        type: FieldType.number,
        labels: series.metric,
        config: { displayNameFromDS: name },
        values: series.values.map(([, value]) => numberOf(value)),
      },
    ],
  });
}

// Prometheus writes +Inf, which JavaScript does not read.
function numberOf(text) {
  return Number(text.replace('Inf', 'Infinity'));
}

function legendOf(target, labels) {
  if (target.legendFormat && target.legendFormat !== '__auto') {
    return target.legendFormat.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => labels[label] ?? '');
  }
  const { __name__: metric = '', ...others } = labels;
  const inside = Object.entries(others).map(([label, value]) => `${label}="${value}"`);
  return `${metric}{${inside.join(', ')}}`;
}

function tableOf(target, series, several) {
  const labels = [...new Set(series.flatMap(({ metric }) => Object.keys(metric)))].sort();
  const last = series.map(({ values }) => values[values.length - 1]);
  return toDataFrame({
    refId: target.refId,
    fields: [
      { name: 'Time', type: FieldType.time, config: {}, values: last.map(([time]) => time * 1000) },
      ...labels.map((label) => ({
        name: label,
        type: FieldType.string,
        config: {},
        values: series.map(({ metric }) => metric[label] ?? ''),
      })),
      {
        name: several ? `Value #${target.refId}` : 'Value',
        type: FieldType.number,
        config: {},
        values: last.map(([, value]) => numberOf(value)),
      },
    ],
  });
}

// Buckets come cumulative; a heatmap shows what each holds alone.
function bucketsOf(target, series, step) {
  const bound = ({ metric }) => (metric.le === '+Inf' ? Infinity : Number(metric.le));
  const sorted = [...series].sort((one, other) => bound(one) - bound(other));
  return sorted.map((one, index) => {
    const below = new Map(index ? sorted[index - 1].values : []);
    const alone = one.values.map(([time, value]) => [time, String(Math.max(0, Number(value) - Number(below.get(time) ?? 0)))]);
    return seriesOf({ ...target, legendFormat: '{{le}}' }, { ...one, values: alone }, step);
  });
}

// What makes no sense of a time or a name.
const OF_NUMBERS = new Set(['min', 'max', 'decimals', 'custom.axisLabel']);

// A panel plugin registers the properties that it knows; here every property that the panel sets is known.
function registryFor({ defaults, overrides }) {
  const custom = Object.keys(defaults.custom ?? {}).map((key) => `custom.${key}`);
  const overridden = overrides.flatMap(({ properties }) => properties.map(({ id }) => id));
  const standard = ['unit', 'min', 'max', 'decimals', 'displayName', 'noValue', 'color', 'thresholds', 'mappings', 'links'];
  const ids = new Set([...standard, ...custom, ...overridden]);
  return new FieldConfigOptionsRegistry(() =>
    [...ids].map((id) => ({
      id,
      path: id.replace(/^custom\./, ''),
      name: id,
      isCustom: id.startsWith('custom.'),
      process: (value) => value,
      shouldApply: (field) => field.type === FieldType.number || !OF_NUMBERS.has(id),
      override: () => null,
      editor: () => null,
    }))
  );
}
