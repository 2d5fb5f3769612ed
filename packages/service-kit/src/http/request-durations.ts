/**
 * A Prometheus histogram of request durations whose counting costs next to nothing: the general one builds and hashes a
 * text of all labels at every observation, which was a twentieth of a small request.
 */

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;
const NAME = 'cls_http_request_duration_seconds';

interface Series {
  readonly labels: { readonly method: string; readonly route: string; readonly status: string };
  /** Observations of each bucket alone; the last takes what is longer than all. */
  readonly counts: Float64Array;
  sum: number;
}

interface Value {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** Has the form in which a registry of `prom-client` asks its metrics. */
export class RequestDurations {
  readonly name = NAME;
  readonly help = 'Time to answer a request, by route';
  readonly type = 'histogram';
  readonly aggregator = 'sum';
  /** Method → route → status. */
  readonly #series = new Map<string, Map<string, Map<number, Series>>>();

  observe(method: string, route: string, status: number, seconds: number): void {
    const series = this.#series.get(method)?.get(route)?.get(status) ?? this.#add(method, route, status);
    let bucket = 0;
    while (bucket < BUCKETS.length && seconds > (BUCKETS[bucket] as number)) bucket++;
    series.counts[bucket] = (series.counts[bucket] as number) + 1;
    series.sum += seconds;
  }

  #add(method: string, route: string, status: number): Series {
    const routes = this.#series.get(method) ?? new Map<string, Map<number, Series>>();
    const statuses = routes.get(route) ?? new Map<number, Series>();
    const series: Series = {
      labels: { method, route, status: String(status) },
      counts: new Float64Array(BUCKETS.length + 1),
      sum: 0,
    };
    this.#series.set(method, routes.set(route, statuses.set(status, series)));
    return series;
  }

  /** The text of a scrape: cumulative buckets, sum and count of each series. */
  async get() {
    const values: Value[] = [];
    for (const routes of this.#series.values())
      for (const statuses of routes.values())
        for (const { labels, counts, sum } of statuses.values()) {
          let total = 0;
          for (const [index, count] of counts.entries()) {
            total += count;
            values.push({
              metricName: `${NAME}_bucket`,
              labels: { le: BUCKETS[index] ?? '+Inf', ...labels },
              value: total,
            });
          }
          values.push(
            { metricName: `${NAME}_sum`, labels, value: sum },
            { metricName: `${NAME}_count`, labels, value: total },
          );
        }
    return { name: this.name, help: this.help, type: this.type, aggregator: this.aggregator, values };
  }

  reset(): void {
    this.#series.clear();
  }
}
