# Generated from openapi.json by `make client`. Do not edit.
"""The operations of one tag: `list_flow_runs`, `create_flow_run`, `list_flow_run_fields`, `list_flow_run_task_runs`, `report_task_runs`, `list_flow_run_task_run_fields`, `get_flow_run_tasks`, `list_flow_run_states`, `set_flow_run_state`, `list_flow_run_logs`, `report_flow_run_logs`, `get_flow_run`, `delete_flow_run`."""
