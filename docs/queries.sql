-- What people ask of a merged record, for DuckDB (docs/parquet.md has the columns). From the merged record's folder:
--   duckdb < queries.sql
-- A row counts where it is neither of a warm-up nor superseded, and has a value.

-- name: counted
CREATE OR REPLACE TEMP VIEW counted AS
SELECT * FROM 'samples.parquet' WHERE NOT warmup AND NOT superseded AND value IS NOT NULL;

-- name: figures: median, 99th percentile and median absolute deviation of every figure, all runs alike
SELECT workload, target, accelerator, metric, unit, count(*) AS n,
       median(value) AS median, quantile_cont(value, 0.99) AS p99, mad(value) AS mad
FROM counted
GROUP BY ALL
ORDER BY workload, target, metric;

-- name: hosts: each host's median, as hosts.csv has it
SELECT host, host_name, workload, target, metric, count(*) AS n, median(value) AS median, mad(value) AS mad
FROM counted
GROUP BY ALL
ORDER BY host, workload, target, metric;

-- name: fleet: the median over hosts of each host's median, as fleet.csv has it
SELECT workload, target, metric, count(*) AS hosts, median(m) AS median
FROM (SELECT host, workload, target, metric, median(value) AS m FROM counted GROUP BY ALL)
GROUP BY ALL
ORDER BY workload, target, metric;

-- name: tare: what each target costs over the bare process, block by block, then by host, then over hosts
SELECT workload, target, metric, count(*) AS hosts, median(tare) AS tare, median(ratio) AS ratio
FROM (
  SELECT g.host, g.workload, g.target, g.metric,
         median(g.value - n.value) AS tare, median(g.value / nullif(n.value, 0)) AS ratio
  FROM counted AS g
  JOIN counted AS n USING (session, block, workload, metric)
  WHERE g.target <> 'process' AND n.target = 'process'
  GROUP BY ALL
)
GROUP BY ALL
ORDER BY workload, target, metric;

-- name: odd: hosts whose start-up lies far from the others', in robust standard deviations of logarithms
WITH medians AS (
  SELECT host_name, workload, target, ln(median(value)) AS m FROM counted
  WHERE metric = 'startup_ms' GROUP BY ALL
), spread AS (
  SELECT workload, target, median(m) AS middle, 1.4826022185 * mad(m) AS sigma FROM medians GROUP BY ALL
)
SELECT host_name, workload, target, exp(m - middle) AS times, (m - middle) / sigma AS z
FROM medians JOIN spread USING (workload, target)
WHERE sigma > 0 AND abs(m - middle) > 4 * sigma
ORDER BY abs(z) DESC;

-- name: kernels: start-up by a fact of the hosts, here the release of their kernels
WITH facts AS (
  SELECT s.session AS session, f[2] AS kernel
  FROM (SELECT session, unnest(environment.groups) AS g FROM read_json('sessions.jsonl', format = 'newline_delimited',
        columns = {session: 'VARCHAR', environment: 'STRUCT(groups STRUCT(name VARCHAR, facts VARCHAR[][])[])'})) AS s,
       unnest(s.g.facts) AS u(f)
  WHERE s.g.name = 'Kernel' AND f[1] = 'release'
)
SELECT kernel, workload, target, count(DISTINCT host) AS hosts, median(value) AS median
FROM counted JOIN facts USING (session)
WHERE metric = 'startup_ms'
GROUP BY ALL
ORDER BY kernel, workload, target;

-- name: failures: runs that failed, by host and reason
SELECT host_name, target, workload, error, count(*) AS n
FROM 'runs.parquet'
WHERE error <> '' AND NOT superseded
GROUP BY ALL
ORDER BY n DESC, host_name;

-- name: phases: where a start's time goes
SELECT workload, target, phase, count(*) AS n, median(duration_ms) AS median_ms
FROM 'phases.parquet'
WHERE NOT warmup AND NOT superseded
GROUP BY ALL
ORDER BY workload, target, median_ms DESC;
