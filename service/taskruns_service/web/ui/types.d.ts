/** Types of the modules, which the type checker reads and browsers never get. */

import type { components, paths } from "./openapi";

export type Schemas = components["schemas"];
export type StateType = Schemas["StateType"];
/** The number of runs in each state. */
export type Counts = { [type in StateType]?: number };

type Get<P extends keyof paths> = paths[P] extends { get: infer Operation } ? Operation : never;
type Json<Operation> = Operation extends { responses: { 200: { content: { "application/json": infer Body } } } } ? Body : never;
type Part<Operation, Name extends string> = Operation extends { parameters: { [name in Name]?: infer Values } }
  ? [NonNullable<Values>] extends [never] ? {} : NonNullable<Values>
  : {};

/** A path of the API that can be read, as openapi.json writes it. */
export type GetPath = { [P in keyof paths]: Json<Get<P>> extends never ? never : P }[keyof paths];
/** What the API answers to a GET of this path. */
export type Answer<P extends GetPath> = Json<Get<P>>;
/** The values of a path's placeholders, and the query parameters. */
export type Parameters<P extends GetPath> = Part<Get<P>, "path"> & Partial<Part<Get<P>, "query">>;

/** What a page gets: the values that its address names. */
export interface PageProps {
  parameters: { [name: string]: string };
}

export interface ListPage<Item> {
  items: Item[];
  next_cursor: string | null;
}
/** A path of the API that is read page by page. */
export type ListPath = { [P in GetPath]: Answer<P> extends ListPage<any> ? P : never }[GetPath];
/** What a list has. */
export type Item<P extends ListPath> = Answer<P> extends ListPage<infer Value> ? Value : never;
