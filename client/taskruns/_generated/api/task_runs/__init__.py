# Generated from openapi.json by `make client`. Do not edit.
"""The operations of one tag: `list_task_runs`, `list_task_run_fields`, `aggregate_task_runs`, `set_task_run_states`, `get_task_run`, `update_task_run`, `list_task_run_states`, `set_task_run_state`, `get_task_run_attempts`, `get_task_run_neighbours`, `list_task_run_artifacts`, `list_task_run_logs`, `get_task_run_result`."""
