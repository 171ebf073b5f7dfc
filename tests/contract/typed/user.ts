// What people write with a client that openapi-typescript makes of openapi.json: the compiler has to know every type
// here, and find every mistake.
import createClient from "openapi-fetch";
import type { components, paths } from "./openapi.js";

type StateType = components["schemas"]["StateType"];
type Expect<T, Actual extends T> = Actual;

const client = createClient<paths>({ baseUrl: "http://127.0.0.1:4200" });

export async function report(): Promise<unknown> {
  const created = await client.POST("/flow-runs", { body: { flow_name: "etl", parameters: { x: 1 } } });
  if (created.error) {
    return created.error.code satisfies string;
  }
  const path = { flow_run_id: created.data.id };
  const receipts = await client.POST("/flow-runs/{flow_run_id}/task-runs", {
    params: { path },
    body: { items: [{ task_slug: "inc-1", states: [{ type: "Running" }] }] },
  });
  receipts.data?.items[0].state satisfies StateType | null | undefined;
  await client.POST("/flow-runs/{flow_run_id}/states", { params: { path }, body: { type: "Success" } });
  await client.POST("/task-runs/states", {
    body: {
      items: [
        {
          task_run_id: receipts.data?.items[0].task_run_id ?? "",
          type: "Success",
          result: { type: "LocalResult", dir: "/data", location: "x" },
          details: { cached_inputs: [1, { y: null }] },
        },
      ],
    },
  });
  return created.data.parameters["x"];
}

export async function read(id: string): Promise<void> {
  const flowRun = await client.GET("/flow-runs/{flow_run_id}", { params: { path: { flow_run_id: id } } });
  flowRun.data?.context["any"] satisfies unknown;
  const page = await client.GET("/task-runs", { params: { query: { state: ["Failed"], limit: 5 } } });
  if (page.data) {
    page.data.items[0].state satisfies StateType;
    page.data.items[0].duration satisfies number | null;
    page.data.next_cursor satisfies string | null;
  }
  const states = await client.GET("/task-runs/{task_run_id}/states", { params: { path: { task_run_id: id } } });
  states.data?.items[0].details?.["start_time"] satisfies unknown;
  const fields = await client.GET("/task-runs/fields", { params: { query: { fields: ["id", "state"] } } });
  fields.data?.items[0].state satisfies StateType | undefined;
}

// Every member that has to be sent, and none besides.
export const state: Expect<components["schemas"]["StateCreate"], { type: "Running" }> = { type: "Running" };
export const taskRun: Expect<components["schemas"]["TaskRunReport"], { task_slug: string }> = { task_slug: "inc-1" };

export async function makeMistakes(): Promise<void> {
  // @ts-expect-error: no such state
  await client.POST("/flow-runs/{flow_run_id}/states", { params: { path: { flow_run_id: "" } }, body: { type: "Going" } });
  // @ts-expect-error: parameters are an object
  await client.POST("/flow-runs", { body: { flow_name: "etl", parameters: "x" } });
  // @ts-expect-error: no flow
  await client.POST("/flow-runs", { body: { parameters: { x: 1 } } });
  // @ts-expect-error: no fields
  await client.GET("/task-runs/fields", { params: { query: {} } });
  // @ts-expect-error: no such field
  await client.GET("/task-runs/fields", { params: { query: { fields: ["colour"] } } });
}
