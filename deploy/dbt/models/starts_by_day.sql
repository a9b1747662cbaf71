-- Milestones that start on a day (UTC), by category group; without simulated and vanished ones and unknown starts.
select
    cast(start_date as date) as start_day,
    coalesce(category_group, 'no category') as category_group,
    count(*) as milestones
from {{ source('milestones', 'milestones') }}
where not is_simulated and not has_placeholder_dates and vanished_at is null and start_date is not null
group by all
