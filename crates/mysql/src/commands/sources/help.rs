//! Examples for the long help of each command, and how they end.

/// For the group of commands.
pub const GROUP: &str = "\
SOURCE is a source's id (src_…), which is used as it is, or its name, which is looked up in the list of --project-id. Both kinds of \
source are served here, Postgres and MySQL. `sources COMMAND --help` has examples.";

/// For `sources list`.
pub const LIST: &str = "\
Examples:
  synapsor-writeback-mysql sources list
  synapsor-writeback-mysql sources list --project-id prj_1 --json | jq -r .source_id";

/// For `sources show`.
pub const SHOW: &str = "\
Examples:
  synapsor-writeback-mysql sources show app_mysql
  synapsor-writeback-mysql sources show src_12 --json";

/// For `sources create`.
pub const CREATE: &str = "\
Examples:
  export APP_URL='mysql://reader:…@db.example.com/shop'
  export SYNAPSOR_PROJECT_ID=prj_1 SYNAPSOR_DATABASE_ID=db_1
  synapsor-writeback-mysql sources create --kind mysql --url env:APP_URL
  synapsor-writeback-mysql sources create --kind postgres --url env:PG_URL --name billing --ssl-mode verify-full

Without an answer (exit 75) the source may be there all the same: look with `sources list` before you try again.";

/// For `sources test`.
pub const TEST: &str = "\
Examples:
  synapsor-writeback-mysql sources test app_mysql";

/// For `sources inspect`.
pub const INSPECT: &str = "\
Examples:
  synapsor-writeback-mysql sources inspect app_postgres --schema public --schema billing
  synapsor-writeback-mysql sources inspect app_mysql --database shop --json";

/// For `sources import`.
pub const IMPORT: &str = "\
A table is written [PLACE.]NAME[=ALIAS]: PLACE is its schema in a Postgres source and its database in a MySQL source, and comes from \
--schema or --database where it is left out; ALIAS is the name that agents know it by, its own where it is left out. Where neither \
--schema nor --database is said, the source's kind is asked for.

Examples:
  synapsor-writeback-mysql sources import app_postgres --table public.tickets --tenant-column tenant_id
  synapsor-writeback-mysql sources import app_mysql --database shop --table orders --table people=customers --single-tenant
  synapsor-writeback-mysql sources import app_mysql --table shop.orders=purchases --tenant-column account --alias-schema external_sales";

/// For `sources generate`.
pub const GENERATE: &str = "\
Examples:
  synapsor-writeback-mysql sources generate app_mysql
  synapsor-writeback-mysql sources generate app_mysql --namespace shop --out ./agent
  synapsor-writeback-mysql sources generate app_mysql --out ./agent --force";

/// For `sources doctor`.
pub const DOCTOR: &str = "\
A Postgres source is examined by schemas, a MySQL source by its database.

Examples:
  synapsor-writeback-mysql sources doctor app_postgres --schema public
  synapsor-writeback-mysql sources doctor app_mysql --database shop || echo 'somebody should look'";

/// For `sources disable`.
pub const DISABLE: &str = "\
On a terminal it asks: type the source's name, or yes. Without a terminal it refuses (NOT_CONFIRMED) unless --yes is said.

Examples:
  synapsor-writeback-mysql sources disable app_mysql
  synapsor-writeback-mysql sources disable src_12 --yes";
