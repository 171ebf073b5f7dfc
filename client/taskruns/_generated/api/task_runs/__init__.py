# Generated from openapi.json by `make client`. Do not edit.
"""The operations of one tag: `list_task_runs`, `aggregate_task_runs`, `set_task_run_states`, `get_task_run`, `update_task_run`, `get_task_run_result`, `list_task_run_states`, `set_task_run_state`."""
