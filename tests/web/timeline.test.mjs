/** Properties of the pictures of task runs, each over 200 random flow runs. */

import assert from "node:assert/strict";
import test from "node:test";
import { pathToFileURL } from "node:url";

const ui = (name) => import(pathToFileURL(`${process.env.UI}/${name}`));
const data = await ui("timeline_data.js");
const { childLanes, packLanes } = await ui("timeline_lanes.js");
const { findFolds, foldTime, unfoldTime } = await ui("timeline_folds.js");
const pixels = await ui("timeline_pixels.js");
const grid = await ui("grid.js");

const SEEDS = 200;
const STATES = ["Success", "Pending", "Running", "Failed", "Cancelled", "Mapped", "TriggerFailed"];
const FINISHED = Uint8Array.from([1, 0, 0, 1, 1, 1, 1]);
const RANKS = { ofState: Uint8Array.from([2, 4, 5, 7, 3, 2, 6]), waiting: 1, failed: 6, worst: 7 };
const COLORS = Uint32Array.from([0, 11, 12, 13, 14, 15, 16, 0xff0000ff]);
const FAILED = STATES.indexOf("Failed");

/** Random numbers that a seed repeats (mulberry32). */
function randomOf(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let value = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4294967296;
  };
}

/** A random answer with one map: many, few or no children; some wait, run or failed, some without a start. */
function randomAnswer(random) {
  const length = Math.floor(random() ** 3 * 3000);
  const spans = { map_index: [], state: [], queued_ms: [], wait_ms: [], duration_ms: [], run_count: null };
  const scale = 10 ** (1 + random() * 5);
  for (let i = 0; i < length; i++) {
    const state = random() < 0.7 ? 0 : Math.floor(random() * STATES.length);
    const [started, timed] = [state !== 1 && random() < 0.95, random() < 0.97];
    spans.map_index.push(i);
    spans.state.push(state);
    spans.queued_ms.push(timed ? Math.floor(random() * scale) : null);
    spans.wait_ms.push(timed && started ? Math.floor(random() * scale * 0.1) : null);
    spans.duration_ms.push(timed && FINISHED[state] && (started || random() < 0.8) ? Math.floor(random() ** 4 * scale * 0.2) : null);
  }
  const task = { task_slug: "inc-1", task_run_id: null, spans, counts: null };
  return { states: STATES, tasks: [task], bins: null };
}

function* randomMaps() {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = randomOf(seed);
    const answer = randomAnswer(random);
    const [task] = data.readTimeline(answer, STATES, FINISHED).tasks;
    const extent = Math.max(...task.queued.filter(Number.isFinite), ...task.end.filter(Number.isFinite), 1);
    const from = random() < 0.3 ? 0 : random() * extent;
    const to = from + Math.max((extent - from) * random(), 0.5);
    const view = { from, to, width: 1 + Math.floor(random() * 1400), now: extent * (1 + random()) };
    yield { seed, task, view, random };
  }
}

/** The failed task runs in view, and the columns that each of them covers. */
function* failuresInView(task, view) {
  for (let i = 0; i < task.length; i++) {
    const [begin, end] = [data.beginTime(task, i), Math.max(Math.min(task.end[i], view.now), data.beginTime(task, i))];
    if (task.state[i] !== FAILED || !(begin <= view.to && end >= view.from)) continue;
    const [first, last] = [pixels.columnOf(view, begin), pixels.columnOf(view, end)];
    yield { i, end, first: Math.max(Math.min(first, last - 1), 0), last };
  }
}

const blank = (width, height) => ({ data: new Uint32Array(width * height), width, height });

test("no two task runs of a lane overlap, and no fewer lanes would do", () => {
  for (const { seed, task } of randomMaps()) {
    const lanes = packLanes(task);
    const all = [...lanes.order].sort((a, b) => a - b);
    const drawn = Array.from({ length: task.length }, (_, i) => i).filter(
      (i) => !Number.isNaN(data.beginTime(task, i)) && (!Number.isNaN(task.start[i]) || task.end[i] !== Infinity),
    );
    assert.deepEqual(all, drawn, `seed ${seed}`);
    for (let lane = 0; lane < lanes.count; lane++) {
      for (let place = lanes.offset[lane] + 1; place < lanes.offset[lane + 1]; place++) {
        const [before, i] = [lanes.order[place - 1], lanes.order[place]];
        assert.ok(task.end[before] <= data.beginTime(task, i), `seed ${seed}`);
      }
    }
    const ends = Float64Array.from(drawn, (i) => Math.max(task.end[i], data.beginTime(task, i) + 1e-3)).sort();
    const begins = Float64Array.from(drawn, (i) => data.beginTime(task, i)).sort();
    let [concurrent, ended] = [0, 0];
    begins.forEach((begin, started) => {
      while (ends[ended] <= begin) ended++;
      concurrent = Math.max(concurrent, started + 1 - ended);
    });
    assert.equal(lanes.count, concurrent, `seed ${seed}`);
  }
});

const ALL = new Uint8Array(STATES.length).fill(1);
for (const [kind, lanesOf] of [["packed", packLanes], ["of children", (task) => childLanes(task, ALL)]]) {
  test(`every failure in view has pixels of the failed color in its lane (${kind})`, () => {
    for (const { seed, task, view } of randomMaps()) {
      const lanes = lanesOf(task);
      const laneOf = new Map();
      for (let lane = 0; lane < lanes.count; lane++) {
        for (let place = lanes.offset[lane]; place < lanes.offset[lane + 1]; place++) laneOf.set(lanes.order[place], lane);
      }
      for (const { i, first, last } of failuresInView(task, view)) {
        const best = new Uint8Array(view.width);
        pixels.rankLane(best, task, lanes, laneOf.get(i), view, RANKS);
        const picture = blank(view.width, 3);
        pixels.paintRows(picture, best, COLORS, 0, 3);
        const row = [...picture.data.subarray(2 * view.width + first, 2 * view.width + last + 1)];
        assert.ok(row.every((color) => color === COLORS[RANKS.worst]), `seed ${seed}, child ${i}`);
        assert.ok(row.length >= Math.min(2, view.width, last + 1), `seed ${seed}, child ${i}`);
      }
    }
  });
}

test("the worst state of a column wins", () => {
  for (const { seed, task, view } of randomMaps()) {
    const lanes = packLanes(task);
    const best = new Uint8Array(view.width);
    for (let lane = 0; lane < lanes.count; lane++) {
      pixels.rankLane(best, task, lanes, lane, view, RANKS);
      const expected = new Uint8Array(view.width);
      for (let place = lanes.offset[lane]; place < lanes.offset[lane + 1]; place++) {
        const i = lanes.order[place];
        const [begin, end] = [data.beginTime(task, i), Math.max(Math.min(task.end[i], view.now), data.beginTime(task, i))];
        if (!(begin <= view.to && end >= view.from)) continue;
        for (let x = pixels.columnOf(view, begin); x <= pixels.columnOf(view, end); x++) {
          expected[x] = Math.max(expected[x], RANKS.ofState[task.state[i]]);
        }
      }
      // Failures are wider, and waiting is below all else, so the picture is never milder than what is expected.
      assert.ok(best.every((rank, x) => rank === expected[x] || (rank > expected[x] && [1, 6, 7].includes(rank))), `seed ${seed}`);
    }
  }
});

test("every failure in view has pixels of the failed color in the density, and a mark where it ended", () => {
  for (const { seed, task, view } of randomMaps()) {
    const picture = blank(view.width, 36);
    const density = pixels.density([task], view, RANKS);
    pixels.paintDensity(picture, density, COLORS, RANKS, 0, 36, 1);
    for (const { i, end, first, last } of failuresInView(task, view)) {
      for (let x = first; x <= last; x++) {
        let high = 0;
        for (let y = 5; y < 36; y++) if (picture.data[y * view.width + x] === COLORS[RANKS.worst]) high++;
        assert.ok(high >= 2, `seed ${seed}, child ${i}`);
      }
      if (end <= view.to) assert.equal(picture.data[pixels.columnOf(view, end)], COLORS[RANKS.worst], `seed ${seed}`);
    }
  }
});

test("a density counts what runs in each column", () => {
  for (const { seed, task, view } of randomMaps()) {
    const { counts, width, peak } = pixels.density([task], view, RANKS);
    const totals = new Array(width).fill(0);
    for (let x = 0; x < width; x++) for (let rank = 1; rank <= RANKS.worst; rank++) totals[x] += counts[rank * width + x];
    let sum = 0;
    for (let i = 0; i < task.length; i++) {
      const begin = data.beginTime(task, i);
      const end = Math.max(Math.min(task.end[i], view.now), begin);
      const hasRun = !Number.isNaN(task.start[i]) || task.end[i] !== Infinity;
      if (hasRun && begin <= view.to && end >= view.from) sum += pixels.columnOf(view, end) - pixels.columnOf(view, begin) + 1;
    }
    const total = totals.reduce((a, b) => a + b, 0);
    assert.ok(total >= sum && total <= sum + task.length, `seed ${seed}`);
    assert.equal(peak, Math.max(0, ...totals), `seed ${seed}`);
  }
});

test("every bin with a failure has pixels of the failed color", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = randomOf(seed);
    const length = 1 + Math.floor(random() * 400);
    const binned = {
      bin: Int32Array.from({ length }, () => Math.floor(random() * 300)),
      state: Uint8Array.from({ length }, () => Math.floor(random() * STATES.length)),
      count: Uint32Array.from({ length }, () => 1 + Math.floor(random() ** 4 * 100_000)),
    };
    const view = { from: random() * 100, to: 200 + random() * 300, width: 1 + Math.floor(random() * 1400), now: 500 };
    const picture = blank(view.width, 36);
    const density = pixels.binnedDensity(binned, { first: 10, width: 1, count: 300 }, view, RANKS);
    pixels.paintDensity(picture, density, COLORS, RANKS, 0, 36, 1);
    for (let i = 0; i < length; i++) {
      const begin = 10 + binned.bin[i];
      if (binned.state[i] !== FAILED || begin > view.to || begin + 1 < view.from) continue;
      const x = pixels.columnOf(view, begin);
      assert.equal(picture.data[x], COLORS[RANKS.worst], `seed ${seed}`);
      const column = Array.from({ length: 31 }, (_, y) => picture.data[(y + 5) * view.width + x]);
      assert.ok(column.includes(COLORS[RANKS.worst]), `seed ${seed}`);
    }
  }
});

test("what is hit in a lane is what the lane shows there", () => {
  for (const { seed, task, view, random } of randomMaps()) {
    const lanes = packLanes(task);
    const best = new Uint8Array(view.width);
    for (let lane = 0; lane < lanes.count; lane += 1 + Math.floor(random() * 5)) {
      pixels.rankLane(best, task, lanes, lane, view, RANKS);
      const x = Math.floor(random() * view.width);
      const i = pixels.hitLane(task, lanes, lane, view, x, RANKS);
      if (best[x] === RANKS.worst) assert.equal(task.state[i], FAILED, `seed ${seed}`);
      if (best[x] > RANKS.waiting) assert.notEqual(i, -1, `seed ${seed}`);
      if (i !== -1) assert.ok([...lanes.order.subarray(lanes.offset[lane], lanes.offset[lane + 1])].includes(i));
    }
  }
});

test("a folded time unfolds to itself, and folding keeps the order and cuts nothing that ran", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = randomOf(seed);
    const length = 1 + Math.floor(random() * 40);
    const starts = Float64Array.from({ length }, () => Math.floor(random() ** 6 * 1e9));
    const ends = starts.map((start) => start + Math.floor(random() * 1e5));
    const folds = findFolds(starts.slice(), ends.slice());
    starts.forEach((start, k) => {
      const folded = [foldTime(folds, start), foldTime(folds, ends[k])];
      assert.ok(Math.abs(folded[1] - folded[0] - (ends[k] - start)) < 1e-3, `seed ${seed}`);
      assert.ok(Math.abs(unfoldTime(folds, folded[0]) - start) < 1e-3, `seed ${seed}`);
    });
    const times = [...starts, ...ends].sort((a, b) => a - b);
    const folded = times.map((time) => foldTime(folds, time));
    assert.ok(folded.every((time, k) => k === 0 || time >= folded[k - 1] - 1e-6), `seed ${seed}`);
  }
});

test("tasks that were gathered and scattered are the same", () => {
  for (const { seed, task } of randomMaps()) {
    task.runCount = new Uint16Array(task.length).fill(2);
    assert.deepEqual(data.scatterTasks(data.gatherTasks([task, task], [])), [task, task], `seed ${seed}`);
  }
});

test("a day between two attempts is folded, and an even run is not", () => {
  const [fold, ...others] = findFolds(Float64Array.from([0, 86_400_000]), Float64Array.from([60_000, 86_460_000]));
  assert.equal(others.length, 0);
  assert.ok(fold.from > 60_000 && fold.to < 86_400_000 && fold.to - fold.from > 80_000_000);
  assert.deepEqual(findFolds(Float64Array.from([0, 70_000]), Float64Array.from([60_000, 130_000])), []);
  assert.deepEqual(findFolds(new Float64Array(0), new Float64Array(0)), []);
});

test("a task run that never started is shown where it ended, as it is read and as it changes", () => {
  const blocked = STATES.indexOf("TriggerFailed");
  const spans = { map_index: [-1], state: [blocked], queued_ms: [1000], wait_ms: [null], duration_ms: [5000], run_count: null };
  const answer = { states: STATES, tasks: [{ task_slug: "load-1", task_run_id: null, spans, counts: null }], bins: null };
  const { tasks } = data.readTimeline(answer, STATES, FINISHED);
  assert.deepEqual([data.beginTime(tasks[0], 0), tasks[0].end[0], tasks[0].queued[0]], [6000, 6000, 1000]);
  const epoch = Date.parse("2026-01-01T00:00:00Z");
  const model = new data.Model(tasks, epoch, 0, STATES, FINISHED);
  const moment = "2026-01-01T00:00:08Z";
  const times = { start_time: null, end_time: moment, state_timestamp: moment, queue_time: null, run_count: 0 };
  model.apply({ id: "id", task_slug: "load-1", map_index: -1, sequence: 1, state: "TriggerFailed", ...times });
  assert.deepEqual([data.beginTime(tasks[0], 0), tasks[0].queued[0]], [8000, 1000]);
  const best = new Uint8Array(10);
  pixels.rankLane(best, tasks[0], packLanes(tasks[0]), 0, { from: 0, to: 10_000, width: 10, now: 10_000 }, RANKS);
  assert.deepEqual([...best], [0, 1, 1, 1, 1, 1, 1, 6, 6, 0]);
});

test("changes lead to the same picture in any order, and nothing older replaces what is newer", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = randomOf(seed);
    const changes = Array.from({ length: 60 }, (_, sequence) => ({
      ...{ id: "id", task_slug: `inc-${Math.floor(random() * 3)}`, map_index: Math.floor(random() * 12), sequence },
      ...{ state: STATES[Math.floor(random() * STATES.length)], state_timestamp: "2026-01-01T00:00:00Z", queue_time: 0 },
      ...{ start_time: "2026-01-01T00:00:01Z", end_time: random() < 0.5 ? "2026-01-01T00:00:02Z" : null, run_count: 1 },
    }));
    const shuffled = changes.map((change) => [random(), change]).sort(([a], [b]) => a - b).map(([, change]) => change);
    const pictures = [changes, shuffled].map((order) => {
      const model = new data.Model([], Date.parse("2026-01-01T00:00:00Z"), -1, STATES, FINISHED);
      for (const change of order) model.apply(change);
      for (const change of order) assert.equal(model.apply(change), false, "the same change again");
      const rows = model.tasks.flatMap((task) =>
        Array.from({ length: task.length }, (_, i) => [task.slug, task.mapIndex[i], task.state[i], task.end[i]].join()),
      );
      return rows.sort();
    });
    assert.deepEqual(pictures[0], pictures[1], `seed ${seed}`);
  }
});

test("a cell has the worst state of its children, at every size", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = randomOf(seed);
    const count = 1 + Math.floor(random() ** 2 * 20_000);
    const ranks = Uint8Array.from({ length: count }, () => (random() < 0.01 ? 6 : 2));
    const [width, height] = [1 + Math.floor(random() * 1200), 1 + Math.floor(random() * 400)];
    const cells = grid.fitGrid(count, width, height, 1);
    const picture = blank(width, cells.rows * cells.pitch);
    grid.paintGrid(picture, grid.rankCells(ranks, cells), cells, COLORS, 0);
    for (let child = 0; child < count; child++) {
      const [x, y] = grid.cornerOf(cells, child);
      const color = picture.data[y * width + x];
      if (x < width && ranks[child] === 6) assert.equal(color, COLORS[6], `seed ${seed}, child ${child}`);
      const first = grid.childAt(cells, x, y);
      assert.ok(first <= child && child < first + cells.perCell, `seed ${seed}, child ${child}`);
    }
  }
});
