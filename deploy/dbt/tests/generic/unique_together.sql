{#- A key of several columns; dbt's own test `unique` takes one. -#}
{% test unique_together(model, columns) %}
select {{ columns | join(", ") }}, count(*) as rows_of_key
from {{ model }}
group by all
having count(*) > 1
{% endtest %}
