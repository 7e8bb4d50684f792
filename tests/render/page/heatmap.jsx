// Grafana's heatmap is a plugin that is not on npm; this draws the same picture: buckets upwards, time to the right.
import React from 'react';
import { dateTimeFormat, getValueFormat, formattedValueToString } from '@grafana/data';
import { interpolateOranges } from 'd3-scale-chromatic';

const LEFT = 70;
const BELOW = 22;

export function Heatmap({ frames, options, range, width, height, theme }) {
  const rows = filled(frames);
  const counts = rows.flatMap(({ fields }) => fields[1].values);
  const most = Math.max(...counts, 1e-9);
  const step = stepOf(rows[0].fields[0].values);
  const across = (time) => LEFT + ((time - range.from) / (range.to - range.from)) * (width - LEFT);
  const tall = (height - BELOW) / rows.length;
  const format = getValueFormat(options.yAxis?.unit ?? 'short');
  const label = (bound) => (bound === '+Inf' ? '+Inf' : formattedValueToString(format(Number(bound))));
  const every = Math.ceil(14 / tall);
  const times = [0, 0.25, 0.5, 0.75].map((part) => range.from + part * (range.to - range.from));
  const ink = { fontSize: 11, fill: theme.colors.text.secondary };
  return (
    <svg width={width} height={height}>
      {rows.map(({ fields }, row) =>
        fields[1].values.map((count, index) =>
          count > 0 ? (
            <rect
              key={`${row} ${index}`}
              x={across(fields[0].values[index] - step)}
              y={(rows.length - 1 - row) * tall}
              width={Math.max(1, across(fields[0].values[index]) - across(fields[0].values[index] - step) - 1)}
              height={Math.max(1, tall - 1)}
              fill={interpolateOranges(0.15 + 0.85 * Math.sqrt(count / most))}
            />
          ) : null
        )
      )}
      {rows.map((frame, row) =>
        row % every === 0 ? (
          <text key={row} x={LEFT - 6} y={Math.max(9, (rows.length - 1 - row) * tall + 4)} textAnchor="end" {...ink}>
            {label(frame.name)}
          </text>
        ) : null
      )}
      {times.map((time) => (
        <text key={time} x={across(time)} y={height - 6} {...ink}>
          {dateTimeFormat(time, { format: 'HH:mm:ss', timeZone: 'utc' })}
        </text>
      ))}
    </svg>
  );
}

// The bounds at both ends where nothing ever was are left out, as one empty row beside what is there.
function filled(frames) {
  const any = frames.map(({ fields }) => fields[1].values.some((count) => count > 0));
  const first = Math.max(0, any.indexOf(true) - 1);
  const last = any.lastIndexOf(true) + 2;
  return any.includes(true) ? frames.slice(first, last) : frames;
}

function stepOf(times) {
  const steps = times.slice(1).map((time, index) => time - times[index]);
  return steps.length ? Math.min(...steps) : 15000;
}
