"""Writes the fields that the schemas of Microsoft's azure-ai-ml know to tests/spec/fields.json, one list of paths for each kind.

`*` stands for a name that the user chooses and `[]` for an item of a list. What has a list of its own (a step inside a pipeline, an
inline environment, a component) is named and not repeated. Fields that only the service fills are left out.
"""
import json, os
from marshmallow import fields
from azure.ai.ml._schema.core.fields import UnionField
from azure.ai.ml.constants._common import BASE_PATH_CONTEXT_KEY
from azure.ai.ml._schema.assets.environment import EnvironmentSchema
from azure.ai.ml._schema.assets.data import DataSchema
from azure.ai.ml._schema.assets.model import ModelSchema
from azure.ai.ml._schema.automl.table_vertical.classification import AutoMLClassificationSchema
from azure.ai.ml._schema.automl.table_vertical.regression import AutoMLRegressionSchema
from azure.ai.ml._schema.automl.table_vertical.forecasting import AutoMLForecastingSchema
from azure.ai.ml._schema.automl.nlp_vertical.text_classification import TextClassificationSchema
from azure.ai.ml._schema.automl.nlp_vertical.text_classification_multilabel import TextClassificationMultilabelSchema
from azure.ai.ml._schema.automl.nlp_vertical.text_ner import TextNerSchema
from azure.ai.ml._schema.automl.image_vertical.image_classification import ImageClassificationSchema, ImageClassificationMultilabelSchema
from azure.ai.ml._schema.automl.image_vertical.image_object_detection import ImageInstanceSegmentationSchema, ImageObjectDetectionSchema
from azure.ai.ml._schema.component import command_component, parallel_component, spark_component, import_component, data_transfer_component
from azure.ai.ml._schema.pipeline import pipeline_component, component_job, pipeline_command_job, pipeline_spark_job, pipeline_parallel_job, pipeline_import_job, pipeline_datatransfer_job, control_flow_job, condition_node
from azure.ai.ml._schema.pipeline.pipeline_job import PipelineJobSchema
from azure.ai.ml._schema.job import CommandJobSchema, ParallelJobSchema, SparkJobSchema
from azure.ai.ml._schema.job.import_job import ImportJobSchema
from azure.ai.ml._schema._sweep.sweep_job import SweepJobSchema
from azure.ai.ml._schema.compute.aml_compute import AmlComputeSchema
from azure.ai.ml._schema.compute.compute_instance import ComputeInstanceSchema
from azure.ai.ml._schema.compute.kubernetes_compute import KubernetesComputeSchema
from azure.ai.ml._schema.compute.virtual_machine_compute import VirtualMachineComputeSchema
from azure.ai.ml._schema.compute.synapsespark_compute import SynapseSparkComputeSchema
from azure.ai.ml._schema._datastore import azure_storage, adls_gen1, one_lake
from azure.ai.ml._schema._endpoint.online.online_endpoint import KubernetesOnlineEndpointSchema, ManagedOnlineEndpointSchema
from azure.ai.ml._schema._endpoint.batch.batch_endpoint import BatchEndpointSchema
from azure.ai.ml._schema._deployment.online.online_deployment import KubernetesOnlineDeploymentSchema, ManagedOnlineDeploymentSchema
from azure.ai.ml._schema._deployment.batch.batch_deployment import BatchDeploymentSchema
from azure.ai.ml._schema._deployment.batch.model_batch_deployment import ModelBatchDeploymentSchema
from azure.ai.ml._schema._deployment.batch.pipeline_component_batch_deployment_schema import PipelineComponentBatchDeploymentSchema
from azure.ai.ml._schema.schedule.schedule import JobScheduleSchema
from azure.ai.ml._schema._data_import.schedule import ImportDataScheduleSchema
from azure.ai.ml._schema.monitoring.schedule import MonitorScheduleSchema

KINDS = {
    "job/command": [CommandJobSchema],
    "job/pipeline": [PipelineJobSchema],
    "job/sweep": [SweepJobSchema],
    "job/spark": [SparkJobSchema],
    "job/parallel": [ParallelJobSchema],
    "job/automl/classification": [AutoMLClassificationSchema],
    "job/automl/regression": [AutoMLRegressionSchema],
    "job/automl/forecasting": [AutoMLForecastingSchema],
    "job/automl/text_classification": [TextClassificationSchema],
    "job/automl/text_classification_multilabel": [TextClassificationMultilabelSchema],
    "job/automl/text_ner": [TextNerSchema],
    "job/automl/image_classification": [ImageClassificationSchema],
    "job/automl/image_classification_multilabel": [ImageClassificationMultilabelSchema],
    "job/automl/image_object_detection": [ImageObjectDetectionSchema],
    "job/automl/image_instance_segmentation": [ImageInstanceSegmentationSchema],
    "step/command": [component_job.CommandSchema, pipeline_command_job.PipelineCommandJobSchema],
    "step/sweep": [component_job.SweepSchema],
    "step/spark": [component_job.SparkSchema, pipeline_spark_job.PipelineSparkJobSchema],
    "step/parallel": [component_job.ParallelSchema, pipeline_parallel_job.PipelineParallelJobSchema],
    "step/import": [component_job.ImportSchema, pipeline_import_job.PipelineImportJobSchema],
    "step/data_transfer/copy_data": [component_job.DataTransferCopySchema, pipeline_datatransfer_job.PipelineDataTransferCopyJobSchema],
    "step/data_transfer/import_data": [component_job.DataTransferImportSchema, pipeline_datatransfer_job.PipelineDataTransferImportJobSchema],
    "step/data_transfer/export_data": [component_job.DataTransferExportSchema, pipeline_datatransfer_job.PipelineDataTransferExportJobSchema],
    "step/pipeline": [pipeline_component.PipelineSchema],
    "step/do_while": [control_flow_job.DoWhileSchema],
    "step/parallel_for": [control_flow_job.ParallelForSchema],
    "step/if_else": [condition_node.ConditionNodeSchema],
    "component/command": [command_component.CommandComponentSchema],
    "component/parallel": [parallel_component.ParallelComponentSchema],
    "component/spark": [spark_component.SparkComponentSchema],
    "component/import": [import_component.ImportComponentSchema],
    "component/data_transfer/copy_data": [data_transfer_component.DataTransferCopyComponentSchema],
    "component/data_transfer/import_data": [data_transfer_component.DataTransferImportComponentSchema],
    "component/data_transfer/export_data": [data_transfer_component.DataTransferExportComponentSchema],
    "component/pipeline": [pipeline_component.PipelineComponentSchema],
    "data": [DataSchema],
    "environment": [EnvironmentSchema],
    "model": [ModelSchema],
    "datastore/azure_blob": [azure_storage.AzureBlobSchema],
    "datastore/azure_file": [azure_storage.AzureFileSchema],
    "datastore/azure_data_lake_gen1": [adls_gen1.AzureDataLakeGen1Schema],
    "datastore/azure_data_lake_gen2": [azure_storage.AzureDataLakeGen2Schema],
    "datastore/one_lake": [one_lake.OneLakeSchema],
    "compute/amlcompute": [AmlComputeSchema],
    "compute/computeinstance": [ComputeInstanceSchema],
    "compute/kubernetes": [KubernetesComputeSchema],
    "compute/virtualmachine": [VirtualMachineComputeSchema],
    "compute/synapsespark": [SynapseSparkComputeSchema],
    "online-endpoint/managed": [ManagedOnlineEndpointSchema],
    "online-endpoint/kubernetes": [KubernetesOnlineEndpointSchema],
    "batch-endpoint": [BatchEndpointSchema],
    "online-deployment/managed": [ManagedOnlineDeploymentSchema],
    "online-deployment/kubernetes": [KubernetesOnlineDeploymentSchema],
    "batch-deployment/model": [BatchDeploymentSchema, ModelBatchDeploymentSchema],
    "batch-deployment/pipeline": [PipelineComponentBatchDeploymentSchema],
    "schedule/job": [JobScheduleSchema],
    "schedule/import_data": [ImportDataScheduleSchema],
    "schedule/monitor": [MonitorScheduleSchema],
}
# What has a list of its own: by a word in the name of its schema.
ELSEWHERE = ("ComponentSchema", "EnvironmentSchema", "ModelSchema", "CodeAsset", "CodeSchema", "JobSchema", "NodeSchema", "FlowSchema")

# Steps, jobs and components inside others, and names that users choose freely.
ELSEWHERE_BY_NAME = ("jobs", "create_job", "job_definition", "component", "trial", "environment_variables", "conf")

def elsewhere(schema):
    return any(word in type(schema).__name__ for word in ELSEWHERE)

def of_field(field, path, out, seen):
    if isinstance(field, UnionField):
        for one in field.union_fields: of_field(one, path, out, seen)
    elif isinstance(field, fields.Nested):
        schema = field.schema
        if elsewhere(schema) or type(schema).__name__ in seen: return
        of_schema(schema, path + "[]" if getattr(field, "many", False) else path, out, seen + (type(schema).__name__,))
    elif isinstance(field, fields.Dict) and getattr(field, "value_field", None) is not None:
        of_field(field.value_field, path + ".*", out, seen)
    elif isinstance(field, fields.List):
        of_field(field.inner, path + "[]", out, seen)
    elif type(field).__name__ == "ExperimentalField":
        of_field(field._experimental_field, path, out, seen)

def of_schema(schema, path, out, seen=()):
    for name, field in schema.load_fields.items():
        name = field.data_key or name
        here = f"{path}.{name}" if path else name
        out.add(here)
        if name in ELSEWHERE_BY_NAME: continue
        of_field(field, here, out, seen)

def main():
    all_kinds, root = {}, os.path.join(os.path.dirname(__file__), "../..")
    for kind, classes in KINDS.items():
        out = set()
        for cls in classes:
            of_schema(cls(context={BASE_PATH_CONTEXT_KEY: "."}), "", out, (cls.__name__,))
        all_kinds[kind] = sorted(out - {"$schema"})
    with open(os.path.join(root, "tests/spec/fields.json"), "w") as file:
        file.write(json.dumps(all_kinds, indent=0) + "\n")
    for kind, found in all_kinds.items(): print(kind, len(found))

if __name__ == "__main__":
    main()
