//! The words of AutoML as the service spells them: metrics, algorithms, transformers and the like. In YAML each is understood in
//! this spelling and in snake_case.

use super::shape::Words;

pub(super) const VERBOSITY: Words = &["NotSet", "Debug", "Info", "Warning", "Error", "Critical"];

pub(super) const CLASSIFICATION_METRICS: Words = &[
    "AUCWeighted",
    "Accuracy",
    "NormMacroRecall",
    "AveragePrecisionScoreWeighted",
    "PrecisionScoreWeighted",
];
pub(super) const MULTILABEL_METRICS: Words = &[
    "AUCWeighted",
    "Accuracy",
    "NormMacroRecall",
    "AveragePrecisionScoreWeighted",
    "PrecisionScoreWeighted",
    "IOU",
];
/// Of regression and forecasting.
pub(super) const ERROR_METRICS: Words = &[
    "SpearmanCorrelation",
    "NormalizedRootMeanSquaredError",
    "R2Score",
    "NormalizedMeanAbsoluteError",
];
pub(super) const ACCURACY: Words = &["Accuracy"];
pub(super) const PRECISION: Words = &["MeanAveragePrecision"];

pub(super) const CLASSIFIERS: Words = &[
    "LogisticRegression",
    "SGD",
    "MultinomialNaiveBayes",
    "BernoulliNaiveBayes",
    "SVM",
    "LinearSVM",
    "KNN",
    "DecisionTree",
    "RandomForest",
    "ExtremeRandomTrees",
    "LightGBM",
    "GradientBoosting",
    "XGBoostClassifier",
];
pub(super) const REGRESSORS: Words = &[
    "ElasticNet",
    "GradientBoosting",
    "DecisionTree",
    "KNN",
    "LassoLars",
    "SGD",
    "RandomForest",
    "ExtremeRandomTrees",
    "LightGBM",
    "XGBoostRegressor",
];
pub(super) const FORECASTERS: Words = &[
    "AutoArima",
    "Prophet",
    "Naive",
    "SeasonalNaive",
    "Average",
    "SeasonalAverage",
    "ExponentialSmoothing",
    "Arimax",
    "TCNForecaster",
    "ElasticNet",
    "GradientBoosting",
    "DecisionTree",
    "KNN",
    "LassoLars",
    "SGD",
    "RandomForest",
    "ExtremeRandomTrees",
    "LightGBM",
    "XGBoostRegressor",
];
pub(super) const META_LEARNERS: Words = &[
    "None",
    "LogisticRegression",
    "LogisticRegressionCV",
    "LightGBMClassifier",
    "ElasticNet",
    "ElasticNetCV",
    "LightGBMRegressor",
    "LinearRegression",
];
pub(super) const TRAINING_MODES: Words = &["Auto", "Distributed", "NonDistributed"];

pub(super) const TRANSFORMERS: Words = &[
    "TextTargetEncoder",
    "OneHotEncoder",
    "CatTargetEncoder",
    "TfIdf",
    "WoETargetEncoder",
    "LabelEncoder",
    "WordEmbedding",
    "NaiveBayes",
    "CountVectorizer",
    "HashOneHotEncoder",
];
/// Transformers that take parameters.
pub(super) const TUNED_TRANSFORMERS: Words = &["Imputer", "TfIdf", "HashOneHotEncoder"];

pub(super) const TEXT_SCHEDULERS: Words = &[
    "None",
    "Linear",
    "Cosine",
    "CosineWithRestarts",
    "Polynomial",
    "Constant",
    "ConstantWithWarmup",
];
pub(super) const IMAGE_SCHEDULERS: Words = &["None", "WarmupCosine", "Step"];
pub(super) const OPTIMIZERS: Words = &["None", "Sgd", "Adam", "Adamw"];
pub(super) const MODEL_SIZES: Words = &["None", "Small", "Medium", "Large", "ExtraLarge"];
pub(super) const VALIDATION_METRICS: Words = &["None", "Coco", "Voc", "CocoVoc"];
